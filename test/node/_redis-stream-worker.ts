/**
 * A process that handles messages: `node _redis-stream-worker.ts ADDRESS TOPIC FOLDER EFFECTS`. Files of the folder get a
 * line for each delivery that has `begun`, is `handled` or has `failed`, `<number> <attempt>`, and for each that its inbox
 * has `repeated`. It prints `ready` once it is subscribed; SIGTERM stops it.
 */
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pubsub } from "../../bindings/node/redis.ts";
import { startWork } from "./_work.ts";

const [redisHost = "", topic = "", folder = "", effects = "{}"] = process.argv.slice(2);
const openLog = (name: string) => openSync(join(folder, name), "a");
const logs = {
  begun: openLog("begun"),
  handled: openLog("handled"),
  failed: openLog("failed"),
  repeated: openLog("repeated"),
};
const options = { redisHost, concurrency: 50, processingTimeout: 2000, redeliverInterval: 500 };
const { stop } = await startWork({
  broker: pubsub(options),
  topic,
  ms: 2,
  effects: JSON.parse(effects),
  tell(what) {
    writeSync(logs[what.is], what.is === "repeated" ? "=\n" : `${what.number} ${what.attempt}\n`);
  },
});
process.stdout.write("ready\n");
process.once("SIGTERM", stop);
