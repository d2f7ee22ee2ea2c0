import { join } from "node:path";
import { afterAll, afterEach, describe, test, vi } from "vitest";
import { registry } from "../../bindings/node/registry.ts";
import type { Component } from "../../src/contracts/component.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";
import { absentKafka, startKafka } from "../harness/kafka.ts";
import { absentMosquitto, startMosquitto } from "../harness/mosquitto.ts";
import { absentNats, startNats } from "../harness/nats.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";
import { absentRedis, startRedis } from "../harness/redis.ts";
import { expectBudget } from "./_budget.ts";

vi.setConfig({ testTimeout: 120_000 });

const topic = "orders";
const dead = "buried";

interface Broker {
  readonly options: object;
  stop?(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly type: string;
  readonly absent?: string | undefined;
  /** Of the subscription. */
  readonly metadata?: Readonly<Record<string, string>>;
  start(): Promise<Broker>;
}

let rabbit: Promise<RabbitServer> | undefined;
afterAll(async () => (await rabbit)?.stop());

const kinds: readonly Kind[] = [
  {
    name: "SQLite",
    type: "pubsub.sqlite",
    start: async () => {
      const connectionString = join(newFolder("queue"), "queue.db");
      return { options: { connectionString, processingTimeout: "500ms" } };
    },
  },
  {
    name: "Redis Streams",
    type: "pubsub.redis",
    absent: absentRedis(),
    start: async () => {
      const { port, stop } = await startRedis();
      const redisHost = `127.0.0.1:${port}`;
      return {
        options: { redisHost, processingTimeout: "500ms", redeliverInterval: "500ms" },
        stop,
      };
    },
  },
  {
    name: "NATS JetStream",
    type: "pubsub.jetstream",
    absent: absentNats(),
    start: async () => {
      const { url, raw, stop } = await startNats();
      await raw.manager.streams.add({ name: "all", subjects: [topic, dead] });
      // A server of 2.9 says 1 of what was due again while nobody asked: the next process has to be there by then.
      return { options: { natsURL: url, ackWait: "3s" }, stop };
    },
  },
  ...["quorum", "classic"].map((queueType) => ({
    name: `RabbitMQ, ${queueType}`,
    type: "pubsub.rabbitmq",
    absent: absentRabbit(),
    metadata: { queueType },
    start: async () => {
      const { url } = await (rabbit ??= startRabbit());
      return { options: { connectionString: url, consumerID: queueType } };
    },
  })),
  {
    name: "MQTT",
    type: "pubsub.mqtt3",
    absent: absentMosquitto(),
    start: async () => {
      const { url, stop } = await startMosquitto();
      return { options: { url, consumerID: "poisoned" }, stop };
    },
  },
  {
    name: "Kafka",
    type: "pubsub.kafka",
    absent: absentKafka(),
    start: async () => {
      const { brokers, create, stop } = await startKafka(["group.min.session.timeout.ms=500"]);
      for (const name of [topic, dead]) await create(name, 1);
      const lease = { sessionTimeout: "1s", heartbeatInterval: "100ms" };
      return { options: { brokers, authType: "none", ...lease }, stop };
    },
  },
];

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe("a message that nobody survives is delivered as often as its subscription says", () => {
  for (const { name, type, absent, metadata, start } of kinds) {
    test.skipIf(absent)(`${name}${absent ? ` (skipped: ${absent})` : ""}`, async () => {
      const { options, stop } = await start();
      if (stop) stops.push(stop);
      const create = await registry[type]?.();
      const pubsub = create?.(options) as Component<"pubsub">;
      const host = processHost("node");
      const runtime = createRuntime({ id: "publisher", components: { pubsub }, host });
      stops.push(() => runtime.close());
      await expectBudget({ type, options, topic, dead, metadata }, runtime.blocks.pubsub("pubsub"));
    });
  }
});
