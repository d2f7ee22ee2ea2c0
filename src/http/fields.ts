import { isObject, malformed } from "./body.ts";

const none: ReadonlyMap<string, string> = new Map();

/** The fields of a JSON object: Dapr takes any spelling of a name, and of several spellings the last. */
export class Fields {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #names: readonly string[];
  readonly #doing: string | undefined;

  /** `null` has no fields. Refuses anything else that is no object. */
  constructor(value: unknown, what: string, doing?: string) {
    const given = value ?? {};
    if (!isObject(given)) throw malformed(`${what} must be an object`, doing);
    this.#value = given;
    this.#names = Object.keys(given);
    this.#doing = doing;
  }

  /** Undefined where it is absent or `null`. */
  any(name: string): unknown {
    const names = this.#names;
    for (let at = names.length - 1; at >= 0; at--) {
      const given = names[at] as string;
      if (isSpelling(given, name)) return this.#value[given] ?? undefined;
    }
    return undefined;
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

/** Names of the API are ASCII. Most others have another length, and need no lower case. */
function isSpelling(given: string, name: string): boolean {
  if (given.length !== name.length) return false;
  return given === name || given.toLowerCase() === name.toLowerCase();
}
