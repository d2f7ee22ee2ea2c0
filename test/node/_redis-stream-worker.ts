/**
 * A process that handles messages: `node _redis-stream-worker.ts ADDRESS TOPIC FILE`. It adds `<number> <attempt>` to the
 * file once it has handled one, and prints `ready` once it is subscribed. SIGTERM stops it.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pubsub } from "../../bindings/node/redis.ts";
import { startSubscriptions } from "../../src/blocks/pubsub/start.ts";
import { subscribe } from "../../src/index.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";

const [redisHost = "", topic = "", file = ""] = process.argv.slice(2);
const log = openSync(file, "a");
const options = { redisHost, concurrency: 50, processingTimeout: 2000, redeliverInterval: 500 };
const runtime = createRuntime({
  id: "shop",
  components: { pubsub: pubsub(options) },
  host: processHost("node"),
});
const subscription = subscribe<number>("pubsub", topic, async ({ data }, _blocks, { attempt }) => {
  await sleep(2);
  writeSync(log, `${data} ${attempt}\n`);
});
const live = await startSubscriptions(runtime, [subscription]);
process.stdout.write("ready\n");
process.once("SIGTERM", async () => {
  await live.stop();
  await runtime.close();
});
