import type { Field, Fields } from "../../src/contracts/component.ts";
import { isTruthy, toMilliseconds } from "../../src/settings.ts";
import type { Entry, Manifest } from "./manifest.ts";

/** A setting of a component with the text that the manifest, a secret or a variable has for it. */
export interface Written {
  readonly entry: Entry;
  readonly value: string;
}

/** The field that a name in a manifest means: without regard to case, and by Dapr's other names too. */
export function fieldNamed(fields: Fields, name: string): string | undefined {
  const wanted = name.toLowerCase();
  return Object.keys(fields).find((field) =>
    [field, ...(fields[field]?.aliases ?? [])].some((alias) => alias.toLowerCase() === wanted),
  );
}

/**
 * What a component's factory takes, from the text of its manifest. An empty value is no value, as in Dapr.
 * Throws `ERR_CONFIGURATION` with file, line and field for text that is not of the field's type.
 */
export function toOptions(
  { name, document }: Manifest,
  fields: Fields,
  written: readonly Written[],
  warn: (text: string) => void,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { entry, value } of written) {
    const field = fieldNamed(fields, entry.name);
    if (field === undefined) {
      warn(`${document.at(entry.path)}: component ${name} has no setting ${entry.name}: left out`);
      continue;
    }
    if (Object.hasOwn(options, field)) {
      throw document.fault(entry.path, `${entry.name} is another name of ${field}, which is given`);
    }
    if (value === "") continue;
    const { type, sensitive, negative } = fields[field] as Field;
    const converted = convert(type, negative === "off" && /^\s*-/.test(value) ? "0" : value);
    if (converted === undefined) {
      const shown = sensitive || entry.from.is !== "value" ? "what it is" : JSON.stringify(value);
      throw document.fault(entry.path, `${entry.name} must be ${wanted[type]}, not ${shown}`);
    }
    options[field] = converted;
  }
  return options;
}

const wanted: Readonly<Record<Field["type"], string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  duration: "a duration such as 30s or 1h30m",
  code: "given in TypeScript",
};

function convert(type: Field["type"], value: string): unknown {
  switch (type) {
    case "number":
      return /^\s*[-+]?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : undefined;
    case "boolean":
      return toBoolean(value);
    case "duration":
      return toMilliseconds(value.trim()) === undefined ? undefined : value.trim();
    case "string":
      return value;
    case "code":
      return undefined;
  }
}

/** Dapr takes every other word for false; a misspelt true is refused here. */
export function toBoolean(text: string): boolean | undefined {
  if (isTruthy(text)) return true;
  return /^\s*(0|f|false|n|no|off|)\s*$/i.test(text) ? false : undefined;
}
