/**
 * A process of its own that consumes topic `jobs` of a queue in a SQLite file: `fork(_queue-worker.ts, [FILE, LOG, MS,
 * CONCURRENCY, EFFECTS])`, where MS is how long its handler takes and EFFECTS is JSON or empty. It logs what it begins and
 * ends, and stops on the message `stop`.
 */
import { openSync, writeSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { systemClock } from "../../src/web.ts";
import { processHost } from "../../targets/_process/host.ts";
import { startWork } from "./_work.ts";

const [connectionString = "", log = "", ms = "", concurrency = "", effects = ""] =
  process.argv.slice(2);
const out = openSync(log, "a");
const { PROCESSING_TIMEOUT: processingTimeout, DEAF } = process.env;
// Nothing that is to happen after a second or later does: what wakes this process is not its own looking.
const deaf = DEAF !== undefined;
const clock = {
  now: systemClock.now,
  sleep: (time: number, signal?: AbortSignal) =>
    deaf && time >= 1000 ? new Promise<void>(() => undefined) : systemClock.sleep(time, signal),
};

let handled = 0;
const words = { begun: "begun", handled: "ended", failed: "failed" };
const { runtime, stop } = await startWork({
  broker: sqlite.pubsub({ connectionString, processingTimeout, busyTimeout: 20 }),
  topic: "jobs",
  concurrency: Number(concurrency),
  ms: Number(ms),
  effects: effects === "" ? undefined : JSON.parse(effects),
  host: processHost("node", { clock }),
  tell(what) {
    writeSync(out, what.is === "repeated" ? "repeated\n" : `${words[what.is]} ${what.number}\n`);
    if (what.is === "handled") handled++;
  },
});

const kept: unknown[] = [];
process.on("message", async (word) => {
  // The control: what the process would be with all of them in memory.
  if (word === "everything") {
    const database = runtime.blocks.pubsub("pubsub").native<DatabaseSync>();
    kept.push(database.prepare("SELECT data FROM pubsub_messages").all());
  }
  if (word === "usage" || word === "everything") {
    const { user, system } = process.cpuUsage();
    const rssMb = process.memoryUsage().rss / 2 ** 20;
    process.send?.({ handled, cpuMs: (user + system) / 1000, rssMb });
    return;
  }
  await stop();
  process.disconnect();
});
process.send?.("ready");
