import type { FSWatcher } from "node:fs";
import type { Clock } from "../../src/contracts/host.ts";

export interface Watcher {
  close(): void;
}

/**
 * Milliseconds between looks after the file was written. A commit is written first and can be read only once it is on the
 * disk, which nothing tells: whoever looks too soon has to look again.
 */
const LOOKS_MS = [2, 8, 40, 200, 800];

/**
 * Calls `look` soon after any process has written into a database file, and some times more. Where the system does not
 * tell, as on some network file systems, nothing is called.
 */
export function watchFile(path: string, clock: Clock, look: () => void): Watcher {
  const { watch } = process.getBuiltinModule("node:fs");
  const { basename, dirname } = process.getBuiltinModule("node:path");
  const name = basename(path);
  // The journals come and go, so it is their folder that is watched.
  const names = new Set([name, `${name}-wal`, `${name}-journal`]);
  let looks = new AbortController();
  let fresh = false;
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), (_event, file) => {
      if (!fresh && (file === null || names.has(file))) void follow();
    });
    watcher.on("error", () => watcher?.close());
  } catch {
    // The system has no more watchers to give: the consumers look by themselves every now and then.
  }
  return {
    close() {
      looks.abort();
      watcher?.close();
    },
  };

  async function follow(): Promise<void> {
    // With a reason: the exception that is made for none is dear, and this is often.
    looks.abort("written again");
    looks = new AbortController();
    const { signal } = looks;
    // What is written until the first look needs no other.
    fresh = true;
    try {
      for (const ms of LOOKS_MS) {
        await clock.sleep(ms, signal);
        fresh = false;
        look();
      }
    } catch {
      // Written again, which has its own looks, or closed.
    }
  }
}
