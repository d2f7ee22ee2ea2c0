import type { Field, Fields, Settings } from "./contracts/component.ts";
import { configurationError } from "./errors.ts";

/**
 * The user's options with the defaults filled in.
 * Throws `ERR_CONFIGURATION` that names the component and the setting for one that is missing,
 * unknown or of the wrong type.
 */
export function settingsOf<F extends Fields>(
  fields: F,
  options: Readonly<Record<string, unknown>>,
  component: string,
): Settings<F> {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(fields, name)) {
      throw configurationError(
        `component ${component} has no setting ${name}: it takes ${Object.keys(fields).join(", ")}`,
      );
    }
  }
  const settings: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = options[name] ?? field.default;
    if (field.required && (value ?? "") === "") {
      throw configurationError(
        `component ${component} needs the setting ${name}: ${field.description}`,
      );
    }
    if (value !== undefined) settings[name] = check(value, name, field, component);
  }
  return settings as Settings<F>;
}

function check(value: unknown, name: string, field: Field, component: string): unknown {
  if (field.type === "code") return value;
  if (field.type === "duration") {
    const ms = toMilliseconds(value, field.unit);
    if (ms !== undefined) return ms;
    throw wrongType(`a number of ${field.unit ?? "s"}, or a duration such as 1m30s`);
  }
  const sound = field.type === "number" ? Number.isFinite(value) : typeof value === field.type;
  if (!sound) throw wrongType(`a ${field.type}`);
  return value;

  function wrongType(wanted: string) {
    const shown = field.sensitive ? typeof value : `${typeof value} ${JSON.stringify(value)}`;
    return configurationError(
      `component ${component}: the setting ${name} must be ${wanted}, not ${shown}`,
    );
  }
}

/** What Dapr takes for true in metadata; to it every other word is false. */
export function isTruthy(text = ""): boolean {
  return /^\s*(1|t|true|y|yes|on)\s*$/i.test(text);
}

/** Undefined for what Go's `ParseBool` reads neither as true nor as false. */
export function toFlag(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Undefined for what is no duration. A bare number, or digits alone, count `unit`s; other text is a Go duration. */
export function toMilliseconds(value: unknown, unit = "s"): number | undefined {
  const bare = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof bare === "number")
    return bare >= 0 && Number.isFinite(bare) ? bare * (units[unit] as number) : undefined;
  if (typeof value !== "string") return undefined;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(value)) return undefined;
  let total = 0;
  for (const [, amount, name] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (units[name as string] as number);
  }
  return total;
}
