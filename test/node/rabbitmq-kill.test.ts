import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/rabbitmq.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { eventOf, killRun, startConsumer } from "../harness/consumers.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";
import { expectOnce } from "./_once.ts";

const absent = absentRabbit();

describe.skipIf(absent)(`RabbitMQ${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: RabbitServer;
  beforeAll(async () => {
    server = await startRabbit();
  });
  afterAll(() => server?.stop());

  test("20,000 messages, five consumers killed in mid-handler and the broker restarted: none is lost, and none has its effects twice", async () => {
    const options = { connectionString: server.url, reconnectWaitSeconds: "500ms" };
    await using runtime = createRuntime({
      id: "publisher",
      components: { pubsub: pubsub(options) },
      host: processHost("node"),
    });
    const result = await killRun(
      { type: "pubsub.rabbitmq", options, topic: "orders", concurrency: 20, ms: 15 },
      runtime.blocks.pubsub("pubsub"),
      20_000,
      async () => {
        await server.halt();
        await server.start();
      },
    );
    process.stdout.write(`RabbitMQ: ${JSON.stringify(result)}\n`);
    expect(result.missing).toEqual([]);
    expect(result.cut).toHaveLength(5);
    expect(result.cut.every((handlers) => handlers > 0)).toBe(true);
    expectOnce(result, 20_000);
    // What was in hand when a process was killed or the broker went down, and what was published twice for want of an answer.
    expect(result.duplicates).toBeLessThan(5000);
  }, 180_000);

  test("100,000 messages wait for a slow handler, and not in the process", async () => {
    const topic = "slow";
    const consumer = await startConsumer({
      type: "pubsub.rabbitmq",
      options: { connectionString: server.url },
      topic,
      concurrency: 4,
      ms: 50,
    });
    const connection = await server.raw();
    const channel = await connection.createConfirmChannel();
    const send = (number: number) =>
      channel.publish(topic, "", Buffer.from(JSON.stringify(eventOf(number))));
    for (let number = 0; number < 40; number++) send(number);
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(30), 20_000);
    const before = consumer.memory();
    for (let number = 40; number < 100_040; number += 1000) {
      for (let index = 0; index < 1000; index++) send(number + index);
      await channel.waitForConfirms();
    }
    const handled = consumer.done.size;
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(handled + 100), 20_000);
    // The server counts as waiting what it has given nobody: all but two for each of four handlers, and those handled.
    const { messageCount } = await channel.checkQueue(`shop-${topic}`);
    expect(messageCount).toBeGreaterThan(95_000);
    expect(messageCount + consumer.done.size).toBeGreaterThan(100_040 - 8 - 100);
    expect(consumer.memory() - before).toBeLessThan(40_000_000);
    await consumer.kill();
  }, 120_000);
});
