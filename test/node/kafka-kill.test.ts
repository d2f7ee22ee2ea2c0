import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/kafka.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { eventOf, killRun, startConsumer } from "../harness/consumers.ts";
import { absentKafka, type KafkaServer, startKafka } from "../harness/kafka.ts";
import { expectOnce } from "./_once.ts";

const absent = absentKafka();

describe.skipIf(absent)(`Kafka${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: KafkaServer;
  beforeAll(async () => {
    // A group learns of a killed member when its session is over.
    server = await startKafka(["group.min.session.timeout.ms=500"]);
  }, 120_000);
  afterAll(() => server?.stop());

  test("20,000 messages, five consumers killed in mid-handler and a broker that crashed: none is lost, and none has its effects twice", async () => {
    const topic = "orders";
    await server.create(topic, 4);
    const options = {
      brokers: server.brokers,
      authType: "none",
      sessionTimeout: "2s",
      heartbeatInterval: "500ms",
    };
    await using runtime = createRuntime({
      id: "publisher",
      components: { pubsub: pubsub(options) },
      host: processHost("node"),
    });
    const result = await killRun(
      { type: "pubsub.kafka", options, topic, concurrency: 20, ms: 15 },
      runtime.blocks.pubsub("pubsub"),
      20_000,
      async () => {
        await server.crash();
        await server.start();
      },
    );
    process.stdout.write(`Kafka: ${JSON.stringify(result)}\n`);
    expect(result.missing).toEqual([]);
    expect(result.cut).toHaveLength(5);
    expect(result.cut.every((handlers) => handlers > 0)).toBe(true);
    expectOnce(result, 20_000);
    // What was in hand when a process was killed, what it had handled since its last commit, what moved to another member
    // while it was in hand, and what was published twice for want of an answer.
    expect(result.duplicates).toBeLessThan(5000);
    const committed = await server.committed("shop", topic);
    expect(committed.reduce((sum, offset) => sum + offset, 0)).toBeGreaterThanOrEqual(20_000);
  }, 240_000);

  test("100,000 messages wait for a slow handler, and not in the process", async () => {
    const topic = "slow";
    await server.create(topic, 1);
    const options = { brokers: server.brokers, authType: "none" };
    const what = { type: "pubsub.kafka", options, topic, concurrency: 4, ms: 50 };
    const consumer = await startConsumer(what);
    const producer = server.raw.producer();
    await producer.connect();
    const send = (first: number, count: number) =>
      producer.send({
        topic,
        messages: Array.from({ length: count }, (_, index) => {
          return { value: JSON.stringify(eventOf(first + index)) };
        }),
      });
    await send(0, 40);
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(30), 20_000);
    const before = consumer.memory();
    for (let number = 40; number < 100_040; number += 500) await send(number, 500);
    const handled = consumer.done.size;
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(handled + 100), 20_000);
    // Two batches of a mebibyte, and what reading them needs; all messages are a hundred.
    expect(consumer.memory() - before).toBeLessThan(50_000_000);
    const [offset = 0] = await server.committed("shop", topic);
    expect(offset).toBeGreaterThan(30);
    expect(offset).toBeLessThanOrEqual(consumer.done.size);
    await producer.disconnect();
    await consumer.kill();
  }, 120_000);
});
