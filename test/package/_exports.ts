import { readFileSync } from "node:fs";
import { join } from "node:path";
import { filesIn } from "./_consumer.ts";

export interface Manifest {
  readonly version: string;
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | null>>;
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Every module that can be imported from an installed package, its wildcards filled in from the files. */
export function subpathsOf(folder: string): string[] {
  const { exports } = manifestOf(folder);
  const files = filesIn(folder).map((path) => `./${path}`);
  const blocked = Object.keys(exports).filter((key) => exports[key] === null);
  const keys = Object.entries(exports).flatMap(([key, target]) => expand(key, target, files));
  return keys
    .filter((key) => key !== "./package.json" && !blocked.some((pattern) => fits(key, pattern)))
    .map((key) => `pillion${key.slice(1)}`)
    .sort();
}

function expand(key: string, target: string | null, files: readonly string[]): string[] {
  if (target === null) return [];
  if (!key.includes("*")) return [key];
  return files
    .filter((file) => fits(file, target))
    .map((file) => key.replace("*", starIn(file, target)));
}

function fits(path: string, pattern: string): boolean {
  const [before = "", after = ""] = pattern.split("*");
  return path.startsWith(before) && path.endsWith(after) && path.length > pattern.length - 1;
}

function starIn(path: string, pattern: string): string {
  const [before = "", after = ""] = pattern.split("*");
  return path.slice(before.length, path.length - after.length);
}
