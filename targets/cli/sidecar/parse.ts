import { toFlag, toMilliseconds } from "../../../src/settings.ts";
import { suggestion, UsageError } from "../usage.ts";
import { type Flag, type FlagName, flags, type Kind, type Parsed, type Values } from "./flags.ts";

/**
 * The flags of a command line in daprd's ways: `--flag=value`, `--flag value`, with one dash too; a boolean takes its
 * value by `=` alone. Throws `UsageError` for a flag that there is not and for a value that is not of its kind.
 */
export function parseFlags(words: readonly string[]): Parsed {
  const values = defaults();
  const given = new Set<FlagName>();
  for (let at = 0; at < words.length; at++) {
    const { name, text } = split(words[at] as string);
    const kind = (flags[name] as Flag).kind;
    const value = text ?? (kind === "boolean" ? "true" : words[++at]);
    if (value === undefined) throw new UsageError(`the flag --${name} needs a value`);
    const read = readers[kind](value);
    if (read === invalid) {
      throw new UsageError(`the flag --${name} must be ${wanted[kind]}, not ${quoted(value)}`);
    }
    // What is repeated is added to, and the default is not part of it.
    values[name] =
      Array.isArray(read) && given.has(name) ? [...(values[name] as []), ...read] : read;
    given.add(name);
  }
  return { values: values as unknown as Values, given };
}

function defaults(): Record<string, unknown> {
  const all = Object.entries(flags as Readonly<Record<string, Flag>>);
  return Object.fromEntries(all.map(([name, flag]) => [name, flag.default]));
}

function split(word: string): { name: FlagName; text: string | undefined } {
  const [, flag, text] = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
  if (flag === undefined) {
    const hint = toFlag(word) !== undefined ? `: write --flag=${word}, with =` : "";
    throw new UsageError(`the sidecar takes flags, not ${quoted(word)}${hint}`);
  }
  if (Object.hasOwn(flags, flag)) return { name: flag as FlagName, text };
  const hint = suggestion(flag, Object.keys(flags)) ?? "see pillion sidecar --help";
  throw new UsageError(`there is no flag --${flag}: ${hint.replace("mean ", "mean --")}`);
}

const invalid = Symbol("invalid");

const readers: { readonly [K in Kind]: (text: string) => unknown } = {
  text: (text) => text,
  // An empty one is none, as scripts write for what they leave out.
  texts: (text) => text.split(",").filter((part) => part !== ""),
  boolean: (text) => toFlag(text) ?? invalid,
  integer: (text) => (/^[-+]?\d{1,15}$/.test(text) ? Number(text) : invalid),
  port: (text) => {
    if (text === "") return undefined;
    return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : invalid;
  },
  size: toBytes,
  duration: (text) => (/^(0|.*[a-z])$/.test(text) ? (toMilliseconds(text) ?? invalid) : invalid),
};

const wanted: { readonly [K in Kind]: string } = {
  text: "text",
  texts: "text",
  boolean: "true or false",
  integer: "a whole number",
  port: "a port from 0 to 65535",
  size: "a size such as 4Mi, 16Ki or 65536",
  duration: "a duration such as 500ms, 30s or 1m30s",
};

const units: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** Kubernetes' quantities; -1 stands for the default. */
function toBytes(text: string): number | symbol {
  if (text === "-1") return -1;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(|k|M|G|Ki|Mi|Gi)$/.exec(text) ?? [];
  const bytes = Number(amount) * (units[unit ?? ""] as number);
  return Number.isSafeInteger(bytes) ? bytes : invalid;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
