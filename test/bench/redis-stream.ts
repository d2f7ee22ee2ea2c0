import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import * as component from "../../dist/bindings/node/redis.js";
import { startSubscriptions } from "../../dist/src/blocks/pubsub/start.js";
import { subscribe } from "../../dist/src/index.js";
import { createRuntime } from "../../dist/src/runtime.js";
import { processHost } from "../../dist/targets/_process/host.js";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { cpuPer, interleave, type Row, timePer } from "./measure.ts";

const CALLS = 2000;
const ROUNDS = 15;
const CONCURRENCY = 10;
const value = { id: "o-1", text: "x".repeat(980) };

export async function redisStream(): Promise<Row[]> {
  const reason = absentRedis();
  if (reason) {
    process.stderr.write(`Redis Streams are left out: ${reason}\n`);
    return [];
  }
  const server = await startRedis();
  const raw = new Redis({ port: server.port, host: "127.0.0.1" });
  try {
    return [...(await publishing(server, raw)), await consuming(server, raw)];
  } finally {
    raw.disconnect();
    await server.stop();
  }
}

function runtimeOn({ address }: RedisServer) {
  return createRuntime({
    id: "bench",
    components: { pubsub: component.pubsub({ redisHost: address, concurrency: CONCURRENCY }) },
    host: processHost("node"),
  });
}

/** What a user of ioredis writes for the same entry. */
function publishRaw(raw: Redis, topic: string): Promise<unknown> {
  const event = {
    specversion: "1.0",
    id: randomUUID(),
    source: "bench",
    type: "com.dapr.event.sent",
    datacontenttype: "application/json",
    time: new Date().toISOString(),
    topic,
    pubsubname: "pubsub",
    data: value,
  };
  return raw.xadd(topic, "*", "data", JSON.stringify(event));
}

async function publishing(server: RedisServer, raw: Redis): Promise<Row[]> {
  await using runtime = runtimeOn(server);
  const publisher = runtime.blocks.pubsub("pubsub");
  const [ours, theirs] = [() => publisher.publish("ours", value), () => publishRaw(raw, "theirs")];
  const rows: Row[] = [];
  for (const [per, unit] of [
    [timePer, "µs"],
    [cpuPer, "µs of CPU"],
  ] as const) {
    await per(CALLS, ours)();
    await per(CALLS, theirs)();
    rows.push({
      what: "Redis Streams: publish of 1 KB",
      reference: "the same event by XADD through ioredis, one after the other",
      unit,
      ...(await interleave(per(CALLS, ours), per(CALLS, theirs), ROUNDS)),
      goal: { ratio: 1.15 },
      expected: unit === "µs" ? 34 : undefined,
    });
    await raw.del("ours", "theirs");
  }
  return rows;
}

/** From subscribing to the last message of 2,000 that wait. */
async function consuming(server: RedisServer, raw: Redis): Promise<Row> {
  await using runtime = runtimeOn(server);
  const blocking = raw.duplicate();
  let round = 0;
  const filled = async () => {
    const topic = `waiting-${round++}`;
    for (let n = 0; n < CALLS; n++) void publishRaw(raw, topic);
    await publishRaw(raw, topic);
    return topic;
  };
  const ours = async () => {
    const topic = await filled();
    let left = CALLS + 1;
    let finish = (): void => undefined;
    const all = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const started = performance.now();
    const live = await startSubscriptions(runtime, [
      subscribe("pubsub", topic, () => {
        if (--left === 0) finish();
      }),
    ]);
    await all;
    const took = performance.now() - started;
    await live.stop();
    await raw.del(topic);
    return (took * 1000) / (CALLS + 1);
  };
  const theirs = async () => {
    const topic = await filled();
    const started = performance.now();
    await raw.xgroup("CREATE", topic, "raw", "0", "MKSTREAM");
    for (let left = CALLS + 1; left > 0; ) {
      const reply = (await blocking.xreadgroup(
        ...([
          "GROUP",
          "raw",
          "raw",
          "COUNT",
          CONCURRENCY,
          "BLOCK",
          1000,
          "STREAMS",
          topic,
          ">",
        ] as const),
      )) as [string, [string, string[]][]][];
      const entries = reply[0]?.[1] ?? [];
      for (const [, [, data = ""]] of entries) if (JSON.parse(data).id !== "") left--;
      await raw.xack(topic, "raw", ...entries.map(([id]) => id));
    }
    const took = performance.now() - started;
    await raw.del(topic);
    return (took * 1000) / (CALLS + 1);
  };
  for (const warm of [ours, theirs, ours, theirs]) await warm();
  const measured = await interleave(ours, theirs, ROUNDS);
  blocking.disconnect();
  return {
    what: "Redis Streams: consume 1 KB",
    reference: `XREADGROUP of ${CONCURRENCY}, JSON.parse and XACK through ioredis, in turns`,
    unit: "µs",
    ...measured,
    goal: { ratio: 1.15 },
  };
}
