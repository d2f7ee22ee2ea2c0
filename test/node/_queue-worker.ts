/**
 * A process of its own that consumes topic `jobs` of a queue in a SQLite file: `fork(_queue-worker.ts, [FILE, LOG, MS])`,
 * where MS is how long its handler takes. It logs what it begins and ends, and stops on the message `stop`.
 */
import { openSync, writeSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { systemClock } from "../../src/web.ts";
import { processHost } from "../../targets/_process/host.ts";

const [connectionString = "", log = "", ms = "0", concurrency = "10"] = process.argv.slice(2);
const out = openSync(log, "a");
const { PROCESSING_TIMEOUT: processingTimeout, DEAF } = process.env;
// Nothing that is to happen after a second or later does: what wakes this process is not its own looking.
const deaf = DEAF !== undefined;
const clock = {
  now: systemClock.now,
  sleep: (time: number, signal?: AbortSignal) =>
    deaf && time >= 1000 ? new Promise<void>(() => undefined) : systemClock.sleep(time, signal),
};
const runtime = createRuntime({
  id: "worker",
  components: { queue: sqlite.pubsub({ connectionString, processingTimeout, busyTimeout: 20 }) },
  host: processHost("node", { clock }),
});

let handled = 0;
const work = subscribe(
  "queue",
  "jobs",
  async ({ data }) => {
    const name = (data as { n?: number }).n ?? data;
    writeSync(out, `begun ${name}\n`);
    await sleep(Number(ms));
    writeSync(out, `ended ${name}\n`);
    handled++;
  },
  { concurrency: Number(concurrency) },
);

const live = await startSubscriptions(runtime, [work]);
const kept: unknown[] = [];
process.on("message", async (word) => {
  // The control: what the process would be with all of them in memory.
  if (word === "everything") {
    const database = runtime.blocks.pubsub("queue").native<DatabaseSync>();
    kept.push(database.prepare("SELECT data FROM pubsub_messages").all());
  }
  if (word === "usage" || word === "everything") {
    const { user, system } = process.cpuUsage();
    const rssMb = process.memoryUsage().rss / 2 ** 20;
    process.send?.({ handled, cpuMs: (user + system) / 1000, rssMb });
    return;
  }
  await live.stop();
  await runtime.close();
  process.disconnect();
});
process.send?.("ready");
