import type { Document, Path } from "./document.ts";
import { toBoolean } from "./settings.ts";

/** What stands at a path of a resource. Each throws `ERR_CONFIGURATION` for what is of another type. */

/** Undefined where there is nothing. */
export function text(document: Document, path: Path): string | undefined {
  const content = document.content(path);
  if (content === undefined || content === null) return undefined;
  const written = document.scalar(path);
  if (written === undefined) throw document.fault(path, "this must be text");
  return written;
}

/** Throws `ERR_CONFIGURATION` where there is nothing, or nothing in it. */
export function needed(document: Document, path: Path): string {
  const written = text(document, path);
  if (written) return written;
  throw document.fault(path, written === undefined ? "this is missing" : "this is empty");
}

export function flag(document: Document, path: Path): boolean {
  const value = toBoolean(text(document, path) ?? "");
  if (value === undefined) throw document.fault(path, "this must be true or false");
  return value;
}

/** Empty where there is nothing. */
export function list(document: Document, path: Path): readonly unknown[] {
  const content = document.content(path);
  if (content === undefined || content === null) return [];
  if (!Array.isArray(content)) throw document.fault(path, "this must be a list");
  return content;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
