import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Runtime } from "../../../src/runtime.ts";
import { drain } from "./drain.ts";
import type { Log } from "./log.ts";
import type { Options } from "./options.ts";

/** What asks a sidecar to end. */
export interface Ends {
  /** Aborted once the end is asked for. */
  readonly asked: AbortSignal;
  /** Asks for the end, as a signal does; a second time, or by `force`, it comes at once. */
  ask(why: string, force?: boolean): void;
}

/** How long the answer to a forced shutdown has to leave. */
const FORCED_MS = 100;

/** Listens to SIGINT and SIGTERM. A second one ends the process with 130, as shells show for what was interrupted. */
export function listenForEnds(log: Log): Ends {
  const controller = new AbortController();
  const ends: Ends = {
    asked: controller.signal,
    ask(why, force = false) {
      if (force) {
        log.write("warning", `${why}: exiting immediately`);
        setTimeout(() => process.exit(0), FORCED_MS);
        return;
      }
      if (controller.signal.aborted) return;
      log.write("info", `${why}: beginning shutdown`);
      controller.abort();
    },
  };
  let signalled = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (signalled) {
        log.write("warning", `Received signal ${signal} during shutdown: exiting immediately`);
        process.exit(130);
      }
      signalled = true;
      ends.ask(`Received signal ${signal}`);
    });
  }
  return ends;
}

export interface Ending {
  readonly servers: readonly Server[];
  readonly runtime: Runtime;
  /** Resolves when work that outlived its request is done. */
  readonly settled: () => Promise<void>;
  /** Ends the deliveries to the app within a time. */
  readonly stop: ((limitMs: number) => Promise<void>) | undefined;
}

/** Of the time for the end, what requests under way may have; components need some of it to close. */
const SHARE = 0.8;

/** Answers what is under way, closes what was opened, within the time that the flags give. */
export async function endGracefully(
  { servers, runtime, settled, stop }: Ending,
  { shutdownMs }: Options,
  log: Log,
): Promise<void> {
  const until = performance.now() + shutdownMs;
  const left = () => Math.max(0, until - performance.now());
  const late = sleep(shutdownMs, "late" as const, { ref: false });
  // An app may call the API while it handles what was delivered to it.
  const delivered = stop?.(shutdownMs * SHARE * SHARE) ?? Promise.resolve();
  const served = delivered.then(() => drain(servers, left() * SHARE));
  const closed = served.then(async (whole) => {
    if (!whole) log.write("warning", "requests that were still under way have been cut off");
    await Promise.race([settled(), sleep(left(), undefined, { ref: false })]);
    await runtime.close(left());
  });
  if ((await Promise.race([closed, late])) === "late") {
    const text = `not everything closed within ${shutdownMs / 1000} s`;
    log.write("warning", `${text}: raise --dapr-graceful-shutdown-seconds if it should`);
  }
  log.write("info", "Daprd shutdown gracefully");
}

/** Serves on for a while, so that others can learn of the end; not longer than its app is healthy. */
export async function blockEnd(
  { blockMs }: Options,
  log: Log,
  unhealthy?: Promise<void>,
): Promise<void> {
  if (blockMs === 0) return;
  log.write("info", `Blocking graceful shutdown for ${blockMs} ms`);
  await Promise.race([sleep(blockMs), ...(unhealthy ? [unhealthy] : [])]);
  log.write("info", "Block shutdown period expired, entering shutdown");
}
