import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/nats.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { eventOf, killRun, startConsumer } from "../harness/consumers.ts";
import { absentNats, type NatsServer, startNats } from "../harness/nats.ts";
import { expectOnce } from "./_once.ts";

const absent = absentNats();

describe.skipIf(absent)(`NATS${absent ? ` (skipped: ${absent})` : ""}`, () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
    await server.raw.manager.streams.add({ name: "all", subjects: ["k.>"] });
  });
  afterAll(() => server?.stop());

  test("20,000 messages, five consumers killed in mid-handler and a broker that crashed: none is lost, and none has its effects twice", async () => {
    const topic = "k.orders";
    const options = { natsURL: server.url, ackWait: "2s" };
    await using runtime = createRuntime({
      id: "publisher",
      components: { pubsub: pubsub(options) },
      host: processHost("node"),
    });
    const result = await killRun(
      { type: "pubsub.jetstream", options, topic, concurrency: 20, ms: 15 },
      runtime.blocks.pubsub("pubsub"),
      20_000,
      async () => {
        await server.halt("SIGKILL");
        await server.start();
      },
    );
    process.stdout.write(`NATS: ${JSON.stringify(result)}\n`);
    expect(result.missing).toEqual([]);
    expect(result.cut).toHaveLength(5);
    expect(result.cut.every((handlers) => handlers > 0)).toBe(true);
    expectOnce(result, 20_000);
    // What was in hand when a process was killed, what it had handled without the server's having noted it, and
    // what the server had not yet written of its own state when it was killed: at worst all that was handled by then, which is
    // half of the messages. It drops what is published twice by itself.
    expect(result.duplicates).toBeLessThan(12_000);
  }, 120_000);

  test("100,000 messages wait for a slow handler, and not in the process", async () => {
    const topic = "k.slow";
    const options = { natsURL: server.url };
    const consumer = await startConsumer({
      type: "pubsub.jetstream",
      options,
      topic,
      concurrency: 4,
      ms: 50,
    });
    const js = server.raw.manager.jetstream();
    const body = (number: number) => JSON.stringify(eventOf(number));
    for (let number = 0; number < 40; number++) await js.publish(topic, body(number));
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(30), 20_000);
    const before = consumer.memory();
    for (let number = 40; number < 100_040; number += 1000) {
      const part = Array.from({ length: 1000 }, (_, index) =>
        js.publish(topic, body(number + index)),
      );
      await Promise.all(part);
    }
    const handled = consumer.done.size;
    await vi.waitFor(() => expect(consumer.done.size).toBeGreaterThan(handled + 100), 20_000);
    const info = await server.raw.manager.consumers.info("all", "shop__k_2eslow");
    expect(info.num_pending).toBeGreaterThan(95_000);
    // Four in hand, and eight that four handlers of 50 ms get through in a tenth of a second.
    expect(info.num_ack_pending).toBeLessThanOrEqual(12);
    expect(consumer.memory() - before).toBeLessThan(40_000_000);
    await consumer.kill();
  }, 120_000);
});
