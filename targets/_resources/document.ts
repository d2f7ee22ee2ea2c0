import { isNode, isScalar, LineCounter, parseAllDocuments } from "yaml";
import { type ApiError, configurationError } from "../../src/errors.ts";

export type Path = readonly (string | number)[];

/** One YAML document, which knows the line of everything in it. */
export interface Document {
  readonly file: string;
  /** Its content, as JavaScript has it. */
  readonly content: unknown;
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
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  if (!Array.isArray(documents)) return [];
  return documents.map((parsed) => {
    const [error] = parsed.errors;
    if (error) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw configurationError(`${file}:${line}:${col}: this is not YAML: ${error.message}`);
    }

    const at = (path: Path): string => {
      for (let length = path.length; length >= 0; length--) {
        const node = parsed.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return `${file}:${lines.linePos(node.range[0]).line}`;
      }
      return `${file}:1`;
    };
    return {
      file,
      content: parsed.toJS(),
      at,
      fault: (path, why) => configurationError(`${at(path)}: ${fieldOf(path)}${why}`),
      scalar(path) {
        const node = parsed.getIn(path, true);
        if (!isScalar(node)) return undefined;
        if (node.value === null) return "";
        return typeof node.value === "string" ? node.value : (node.source ?? String(node.value));
      },
    };
  });
}

function fieldOf(path: Path): string {
  if (path.length === 0) return "";
  const name = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return `${name.slice(1)}: `;
}
