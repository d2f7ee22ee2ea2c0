/** A process that subscribes to two topics, prints `ready`, and closes its broker when its input ends. */
import { once } from "node:events";
import { callOf } from "./_redis-beds.ts";
import { newTopic, streamsOn } from "./_redis-stream-beds.ts";

const [redisHost = ""] = process.argv.slice(2);
const broker = streamsOn({ redisHost });
for (const topic of [newTopic(), newTopic()]) {
  const deliver = async () => ({ is: "done" }) as const;
  await broker.subscribe?.({ topic, metadata: {}, deliver }, callOf());
}
process.stdout.write("ready\n");
process.stdin.resume();
await once(process.stdin, "end");
await broker.close?.();
