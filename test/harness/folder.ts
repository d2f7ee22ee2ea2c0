import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Everything that one run writes, inside the checkout so that built files find its packages. A test run sets the
 * variable for all of its processes; a script has a folder of its own, which it removes when it ends.
 */
export const temporary: string = process.env.PILLION_TEST_FOLDER ?? ownFolder();

/** A new empty folder, removed when the run has ended. */
export function newFolder(name = "test"): string {
  mkdirSync(temporary, { recursive: true });
  return mkdtempSync(join(temporary, `${name}-`));
}

function ownFolder(): string {
  const folder = join(root, ".tmp", String(process.pid));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
