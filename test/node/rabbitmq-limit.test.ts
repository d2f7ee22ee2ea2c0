import type { ConfirmChannel } from "amqplib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/rabbitmq.ts";
import { subscribe } from "../../src/index.ts";
import { freePort } from "../harness/machine.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";
import { call, consume, opened, serving } from "./_broker.ts";

const absent = absentRabbit();
const patience = { timeout: 60_000, interval: 50 };

/** What RabbitMQ 4 has by default: a queue of type quorum gives up what it has delivered 20 times after the first. */
const LIMIT = 20;

describe.skipIf(absent)(
  `RabbitMQ with a limit of deliveries${absent ? ` (skipped: ${absent})` : ""}`,
  () => {
    let server: RabbitServer;
    let raw: ConfirmChannel;
    const metadata = { queueType: "quorum" };
    const component = () => pubsub({ connectionString: server.url });

    beforeAll(async () => {
      const port = await freePort();
      server = await startRabbit({
        plugins: "rabbitmq_management",
        config: [`management.tcp.port = ${port}`, "management.tcp.ip = 127.0.0.1"],
      });
      raw = await (await server.raw()).createConfirmChannel();
      const limited = {
        pattern: ".*",
        definition: { "delivery-limit": LIMIT },
        "apply-to": "queues",
      };
      await vi.waitFor(async () => {
        const { status } = await fetch(`http://127.0.0.1:${port}/api/policies/%2f/limit`, {
          method: "PUT",
          headers: { authorization: `Basic ${btoa("guest:guest")}` },
          body: JSON.stringify(limited),
        });
        expect(status).toBe(201);
      }, patience);
    }, 90_000);
    afterAll(() => server?.stop());

    test("gives up what a consumer gives back, which shows that the limit is there", async () => {
      const type = { durable: true, arguments: { "x-queue-type": "quorum" } };
      await raw.assertQueue("control", type);
      raw.sendToQueue("control", Buffer.from("x"));
      let count = 0;
      await raw.consume("control", (message) => {
        if (message) raw.nack(message, false, true);
        count++;
      });
      await vi.waitFor(() => expect(count).toBe(LIMIT + 1), patience);
      await vi.waitFor(async () => {
        expect((await raw.checkQueue("control")).messageCount).toBe(0);
      }, patience);
    });

    test("a message comes as often as maxRetries says, and is then a dead letter", async () => {
      const attempts: number[] = [];
      const dead: unknown[] = [];
      const failing = subscribe(
        "pubsub",
        "failing",
        (_event, _blocks, { attempt }) => {
          attempts.push(attempt);
          throw new Error("no");
        },
        { maxRetries: 50, retryDelayMs: 0, deadLetterTopic: "dead", metadata },
      );
      const burying = subscribe("pubsub", "dead", ({ data }) => void dead.push(data), { metadata });
      await using runtime = await serving(component(), failing, burying);
      await runtime.blocks.pubsub("pubsub").publish("failing", { n: 1 });
      await vi.waitFor(() => expect(dead).toEqual([{ n: 1 }]), patience);
      expect(attempts).toEqual(Array.from({ length: 51 }, (_, index) => index + 1));
      const left = await Promise.all(
        ["failing", "dead"].map((one) => raw.checkQueue(`shop-${one}`)),
      );
      expect(left.map(({ messageCount }) => messageCount)).toEqual([0, 0]);
    });

    test("a message that fails for longer than its time to live is the server's to drop", async () => {
      const broker = opened(component());
      await using _ = { [Symbol.asyncDispose]: async () => broker.close?.() };
      const retry = () => ({ is: "retry", delay: 20 }) as const;
      const { seen } = await consume(broker, "brief", retry, metadata);
      await broker.publish("brief", { data: "x", metadata: {}, ttl: 1500 }, call);
      await vi.waitFor(() => expect(seen.length).toBeGreaterThan(2 * LIMIT), patience);
      let before = -1;
      await vi.waitFor(
        () => {
          const still = seen.length === before;
          before = seen.length;
          expect(still).toBe(true);
        },
        { timeout: 10_000, interval: 1000 },
      );
    });

    test("a message without a policy comes until it is handled, as it was", async () => {
      const seen: { attempt: number; data: unknown; metadata: object }[] = [];
      const failing = subscribe(
        "pubsub",
        "endless",
        (event, _blocks, { attempt, metadata }) => {
          seen.push({ attempt, data: event.data, metadata });
          if (attempt <= 3 * LIMIT) throw new Error("the database is away");
        },
        { retryDelayMs: 0, metadata, rawPayload: true },
      );
      const told = pubsub({
        connectionString: server.url,
        publishMessagePropertiesToMetadata: true,
      });
      await using _ = await serving(told, failing);
      await raw.assertQueue("elsewhere");
      raw.publish("endless", "", Buffer.of(0xff, 0), {
        messageId: "m",
        contentType: "x/y",
        userId: "guest",
        // Only the first time: a copy is not for others too.
        CC: ["elsewhere"],
        headers: { own: "mine", "x-delivery-count": 7 },
      });
      await vi.waitFor(() => expect(seen).toHaveLength(3 * LIMIT + 1), patience);
      expect(new Set(seen.map(({ data }) => String(data))).size).toBe(1);
      expect(seen.at(-1)).toMatchObject({
        attempt: 3 * LIMIT + 1,
        metadata: {
          "metadata.messageid": "m",
          "metadata.contenttype": "x/y",
          "metadata.own": "mine",
        },
      });
      expect((await raw.checkQueue("elsewhere")).messageCount).toBe(0);
      await vi.waitFor(async () => {
        expect((await raw.checkQueue("shop-endless")).messageCount).toBe(0);
      }, patience);
    });
  },
);
