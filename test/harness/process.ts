import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A target that a test or the demo started and will end. */
export interface Running {
  readonly url: string;
  readonly pid: number;
  output(): string;
  /** SIGKILL, as a crash. Resolves once the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, then SIGKILL after 5 s. Resolves once the process is gone. */
  stop(): Promise<void>;
}

const START_MS = 20_000;
const children = new Set<ChildProcess>();

/** A child that does not outlive this process, however that ends short of SIGKILL. */
export function owned<C extends ChildProcess>(child: C): C {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** For scripts: a signal ends them through `exit`, so that children and folders go with them. */
export function exitOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => process.exit(130));
  }
}

/** Resolves as `ready` does; rejects when the child ends before, or takes too long, with what it printed. */
export function started<T>(
  child: ChildProcess,
  output: () => string,
  ready: Promise<T>,
  limitMs: number = START_MS,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      child.kill("SIGKILL");
      reject(new Error(`${child.spawnfile} ${why}:\n${output()}`));
    };
    const late = setTimeout(() => fail(`did not start within ${limitMs} ms`), limitMs);
    child.once("error", reject);
    child.once("exit", (code) => fail(`ended with ${code}`));
    ready.then(resolve, reject).finally(() => clearTimeout(late));
  });
}

export function ended(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill("SIGKILL"), 5000);
    child.once("exit", () => {
      clearTimeout(force);
      resolve();
    });
    child.kill(signal);
  });
}

/** SIGSTOP; resolves once every thread stands still. */
export async function frozen(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const tasks = `/proc/${pid}/task`;
  const stopped = (thread: string) =>
    /^\d+ \(.*\) T /.test(readFileSync(`${tasks}/${thread}/stat`, "utf8"));
  while (!readdirSync(tasks).every(stopped)) await sleep(1);
}

/**
 * Ends the server, or the process under it that does the work, also when this process is killed, and with it everything that could end it: a worker of the tests is.
 */
export function guarded(server: ChildProcess, pid = server.pid): void {
  const script = 'cat > /dev/null; kill -CONT "$0"; kill -KILL "$0"';
  const watcher = spawn("/bin/sh", ["-c", script, String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.unref();
  (watcher.stdin as Socket).unref();
  server.once("exit", () => watcher.kill("SIGKILL"));
}

/** Starts a server that does not outlive this process, however that ends; resolves once `ready` does. */
export async function launched(
  path: string,
  args: readonly string[],
  ready: Promise<void>,
  limitMs?: number,
): Promise<ChildProcess> {
  const child = owned(spawn(path, args, { stdio: ["ignore", "pipe", "pipe"] }));
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      log = (log + chunk).slice(-4000);
    });
  }
  await started(child, () => log, ready, limitMs);
  guarded(child);
  return child;
}
