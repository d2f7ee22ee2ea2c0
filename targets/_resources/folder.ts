import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { configurationError } from "../../src/errors.ts";
import { type Document, parseDocuments } from "./document.ts";

/**
 * Every document in the YAML files of a folder, file by file in the order of their names; folders inside it are not
 * looked into, nor hidden files. With `optional`, a folder that is not there holds none.
 * Throws `ERR_CONFIGURATION` for what cannot be read.
 */
export async function readFolder(
  path: string,
  { optional = false } = {},
): Promise<readonly Document[]> {
  const files = await filesIn(path, optional);
  const documents = files.map(async (file) => parseDocuments(file, await textOf(file)));
  return (await Promise.all(documents)).flat();
}

export type ReadFolder = typeof readFolder;

/** Reads and parses each folder once, for all who look in it for resources of their own kind. */
export function readingOnce(): ReadFolder {
  const known = new Map<string, Promise<readonly Document[]>>();
  return (path, options) => {
    const place = JSON.stringify([path, options?.optional]);
    const read = known.get(place) ?? readFolder(path, options);
    known.set(place, read);
    return read;
  };
}

async function filesIn(path: string, optional: boolean): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory() && /^[^.].*\.ya?ml$/i.test(entry.name))
      .map((entry) => join(path, entry.name))
      .sort();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" && optional) return [];
    throw unreadable(path, cause);
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(path: string, cause: unknown) {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = (code && reasons[code]) ?? message;
  return configurationError(`resources ${path} cannot be read: ${why}`, { cause });
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "it is not a folder",
  EACCES: "this user may not read it",
  EISDIR: "it is a folder",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8",
};
