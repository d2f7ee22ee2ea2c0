import {
  isAlias,
  isCollection,
  isNode,
  isScalar,
  LineCounter,
  type Document as Parsed,
  parseAllDocuments,
} from "yaml";
import { type ApiError, configurationError, messageOf } from "../../src/errors.ts";

export type Path = readonly (string | number)[];

/** One YAML document, which knows the line of everything in it. */
export interface Document {
  /** What stands at `path`, as JavaScript has it. */
  content(path: Path): unknown;
  /** A number or a boolean as it was written, a string without its quotes; undefined for what is no scalar. */
  scalar(path: Path): string | undefined;
  /** The error for what stands at `path`, or where it would stand: file, line, field and `why`. */
  fault(path: Path, why: string): ApiError;
  /** File and line of what stands at `path`. */
  at(path: Path): string;
}

/** The documents of a file. Throws `ERR_CONFIGURATION` with file and line for text that is not YAML. */
export function parseDocuments(file: string, text: string): Document[] {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, merge: true };
  const documents = parseAllDocuments(text, options);
  return Array.isArray(documents)
    ? documents.map((parsed) => toDocument(file, parsed as Parsed.Parsed, lines))
    : [];
}

function toDocument(file: string, parsed: Parsed.Parsed, lines: LineCounter): Document {
  const [error] = parsed.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw configurationError(`${file}:${line}:${col}: this is not YAML: ${error.message}`);
  }
  const whole = contentOf(parsed, () => at([]));
  return {
    content,
    at,
    fault: (path, why) => configurationError(`${at(path)}: ${fieldOf(path)}${why}`),
    scalar(path) {
      const node = followed(nodeAt(path));
      // What a merge key brought in has no node of its own where it is.
      if (!isScalar(node)) return toText(content(path));
      if (node.value === null) return "";
      return typeof node.value === "string" ? node.value : (node.source ?? String(node.value));
    },
  };

  function content(path: Path): unknown {
    return path.reduce<unknown>(
      (found, part) => (found as Record<string | number, unknown> | null | undefined)?.[part],
      whole,
    );
  }

  function at(path: Path): string {
    for (let length = path.length; length >= 0; length--) {
      const node = nodeAt(path.slice(0, length));
      if (isNode(node) && node.range) return `${file}:${lines.linePos(node.range[0]).line}`;
    }
    return `${file}:1`;
  }

  function nodeAt(path: Path): unknown {
    return path.reduce<unknown>((found, part) => {
      const node = followed(found);
      return isCollection(node) ? node.get(part, true) : undefined;
    }, parsed.contents);
  }

  function followed(node: unknown): unknown {
    return isAlias(node) ? node.resolve(parsed) : node;
  }
}

/** Aliases to nothing, to too much or to themselves are found only now. */
function contentOf(parsed: Parsed.Parsed, place: () => string): unknown {
  try {
    const content: unknown = parsed.toJS();
    JSON.stringify(content);
    return content;
  } catch (cause) {
    throw configurationError(`${place()}: this is not YAML: ${messageOf(cause)}`, { cause });
  }
}

function toText(value: unknown): string | undefined {
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : undefined;
}

function fieldOf(path: Path): string {
  if (path.length === 0) return "";
  const name = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return `${name.slice(1)}: `;
}
