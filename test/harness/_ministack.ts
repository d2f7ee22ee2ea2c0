import { type ChildProcess, spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, runnable } from "./machine.ts";
import { ended, owned } from "./process.ts";

const START_MS = 15_000;

/** $PILLION_MINISTACK, or the first `ministack` on the PATH. */
export function ministackPath(): string | undefined {
  const named = process.env.PILLION_MINISTACK;
  if (named) return runnable(named) ? named : undefined;
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "ministack"))
    .find(runnable);
}

export async function startMinistack(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const path = ministackPath();
  if (!path)
    throw new Error(
      "ministack is not installed: pip install ministack==1.5.33, on the PATH or in $PILLION_MINISTACK",
    );
  try {
    return await start(path, await freePort());
  } catch {
    // Somebody else may have taken the port in between: once more, on another one.
    return start(path, await freePort());
  }
}

async function start(
  path: string,
  port: number,
): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const child = owned(
    spawn(path, [], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        GATEWAY_PORT: String(port),
        // The default is to listen on every interface.
        MINISTACK_HOST: "127.0.0.1",
        BIND_HOST: "127.0.0.1",
        // Each would take a fixed port of its own.
        IOT_MTLS_ENABLED: "0",
        SFTP_ENABLED: "0",
      },
    }),
  );
  let log = "";
  child.stderr?.on("data", (chunk) => {
    log = (log + chunk).slice(-4000);
  });
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await ready(`${endpoint}/_localstack/health`, child);
  } catch (cause) {
    await ended(child, "SIGTERM");
    throw new Error(`ministack did not start on port ${port}: ${log}`, { cause });
  }
  return { endpoint, stop: () => ended(child, "SIGTERM") };
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await sleep(50);
  }
  throw new Error(`it was not ready after ${START_MS} ms`);
}
