import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** Everything that tests write, inside the checkout so that built files find its packages. */
export const temporary: string = join(root, ".tmp");

/** A new empty folder, removed when all tests have ended. */
export function newFolder(name = "test"): string {
  mkdirSync(temporary, { recursive: true });
  return mkdtempSync(join(temporary, `${name}-`));
}
