import { isObject, malformed } from "./body.ts";

const none: ReadonlyMap<string, string> = new Map();

/** The fields of a JSON object by their name in lower case: Dapr takes any spelling, and of several the last. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown> = none;
  readonly #doing: string | undefined;

  /** `null` has no fields. Refuses anything else that is no object. */
  constructor(value: unknown, what: string, doing?: string) {
    this.#doing = doing;
    if (value === undefined || value === null) return;
    if (!isObject(value)) throw malformed(`${what} must be an object`, doing);
    const values = new Map<string, unknown>();
    for (const name of Object.keys(value)) values.set(name.toLowerCase(), value[name]);
    this.#values = values;
  }

  /** Undefined where it is absent or `null`. */
  any(name: string): unknown {
    return this.#values.get(name.toLowerCase()) ?? undefined;
  }

  text(name: string): string | undefined {
    const value = this.any(name);
    if (value === undefined || typeof value === "string") return value;
    throw malformed(`${name} must be a string`, this.#doing);
  }

  whole(name: string): number | undefined {
    const value = this.any(name);
    if (value === undefined || Number.isInteger(value)) return value as number | undefined;
    throw malformed(`${name} must be a whole number`, this.#doing);
  }

  list(name: string): readonly unknown[] {
    const value = this.any(name);
    if (value === undefined || Array.isArray(value)) return value ?? [];
    throw malformed(`${name} must be an array`, this.#doing);
  }

  /** Text by name, which is taken as it is spelt. */
  metadata(): ReadonlyMap<string, string> {
    const value = this.any("metadata");
    if (value === undefined) return none;
    if (!isObject(value)) throw malformed("metadata must be an object", this.#doing);
    const found = new Map<string, string>();
    for (const name of Object.keys(value)) {
      const text = value[name] ?? "";
      if (typeof text !== "string") throw malformed("metadata must hold strings", this.#doing);
      found.set(name, text);
    }
    return found;
  }

  nested(name: string): Fields {
    return new Fields(this.any(name), name, this.#doing);
  }
}
