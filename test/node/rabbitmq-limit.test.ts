import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConfirmChannel } from "amqplib";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { pubsub } from "../../bindings/node/rabbitmq.ts";
import type { IncomingMessage, Outcome, PubSub } from "../../src/contracts/pubsub.ts";
import { subscribe } from "../../src/index.ts";
import { freePort } from "../harness/machine.ts";
import { absentRabbit, type RabbitServer, startRabbit } from "../harness/rabbitmq.ts";
import { call, consume, opened, serving, text } from "./_broker.ts";

const absent = absentRabbit();
const patience = { timeout: 60_000, interval: 50 };

/** What RabbitMQ 4 has by default: a queue of type quorum gives up what it has delivered 20 times after the first. */
const LIMIT = 20;

describe.skipIf(absent)(
  `RabbitMQ with a limit of deliveries${absent ? ` (skipped: ${absent})` : ""}`,
  () => {
    let server: RabbitServer;
    let raw: ConfirmChannel;
    let manage: (path: string, body: object) => Promise<void>;
    const left = async (topic: string) => (await raw.checkQueue(`shop-${topic}`)).messageCount;
    const metadata = { queueType: "quorum" };
    const component = () => pubsub({ connectionString: server.url });

    beforeAll(async () => {
      const port = await freePort();
      server = await startRabbit({
        plugins: "rabbitmq_management",
        config: [`management.tcp.port = ${port}`, "management.tcp.ip = 127.0.0.1"],
      });
      raw = await (await server.raw()).createConfirmChannel();
      manage = async (path, body) => {
        const { ok } = await fetch(`http://127.0.0.1:${port}/api/${path}`, {
          method: "PUT",
          headers: { authorization: `Basic ${btoa("guest:guest")}` },
          body: JSON.stringify(body),
        });
        expect(ok).toBe(true);
      };
      const limited = {
        pattern: ".*",
        definition: { "delivery-limit": LIMIT },
        "apply-to": "queues",
      };
      await vi.waitFor(() => manage("policies/%2f/limit", limited), patience);
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
      expect(await Promise.all([left("failing"), left("dead")])).toEqual([0, 0]);
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
      await vi.waitFor(async () => expect(await left("endless")).toBe(0), patience);
    });

    describe("in a queue of type classic", () => {
      const brokers: PubSub[] = [];
      afterEach(() => Promise.all(brokers.splice(0).map((one) => one.close?.())));

      interface Bounded {
        readonly settings?: Parameters<typeof pubsub>[0];
        readonly metadata?: Readonly<Record<string, string>>;
        answer(message: IncomingMessage): Outcome | Promise<Outcome>;
      }

      /** As another process, as far as the server can tell. */
      async function bounded(topic: string, { settings, metadata = {}, answer }: Bounded) {
        const broker = opened(pubsub({ connectionString: server.url, ...settings }));
        brokers.push(broker);
        const seen: IncomingMessage[] = [];
        const deliver = async (message: IncomingMessage) => {
          seen.push(message);
          return answer(message);
        };
        const request = { topic, metadata, concurrency: 1, maxRetries: 50, deliver };
        const subscription = await broker.subscribe?.(request, call);
        return { seen, stop: async () => subscription?.stop() };
      }

      async function publish(topic: string, ...texts: readonly string[]) {
        for (const one of texts) raw.publish(topic, "", Buffer.from(one));
        await raw.waitForConfirms();
      }

      function later(outcome: Outcome) {
        let give = (): void => undefined;
        const promise = new Promise<Outcome>((resolve) => {
          give = () => resolve(outcome);
        });
        return { promise, give };
      }

      const again = { is: "retry", delay: 20 } as const;
      const done = { is: "done" } as const;
      const attempts = (seen: readonly IncomingMessage[]) => seen.map(({ attempt }) => attempt);

      test("messages of the same bytes are counted each by itself", async () => {
        const answer = ({ attempt }: IncomingMessage) => (attempt < 3 ? again : done);
        const { seen, stop } = await bounded("same", { answer });
        await publish("same", "x", "x", "x");
        await vi.waitFor(() => expect(seen).toHaveLength(9), patience);
        await stop();
        expect(attempts(seen).sort()).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
        expect(await left("same")).toBe(0);
      });

      test("what waits in a process that stops is not counted", async () => {
        const all: IncomingMessage[] = [];
        const settings = { prefetchCount: 10 };
        for (const others of [3, 2, 1, 0]) {
          const { promise, give } = later(done);
          const { seen, stop } = await bounded("stops", { settings, answer: () => promise });
          if (others === 3) await publish("stops", "a", "b", "c", "d");
          await vi.waitFor(async () => {
            expect(seen).toHaveLength(1);
            // All wait in the process.
            expect(await left("stops")).toBe(0);
          }, patience);
          const stopping = stop();
          await vi.waitFor(async () => expect(await left("stops")).toBe(others), patience);
          give();
          await stopping;
          all.push(...seen);
        }
        expect(all.map(text)).toEqual(["a", "b", "c", "d"]);
        expect(attempts(all)).toEqual([1, 1, 1, 1]);
        expect(await left("stops")).toBe(0);
      });

      test("what was in hand when its connection was lost is counted once", async () => {
        const way = await passage(Number(new URL(server.url).port));
        const settings = { connectionString: way.url, reconnectWaitSeconds: "100ms" };
        const { promise, give } = later(done);
        const answer = ({ attempt }: IncomingMessage) => (attempt === 1 ? promise : done);
        const { seen, stop } = await bounded("lost", { settings, answer });
        await publish("lost", "x");
        await vi.waitFor(() => expect(seen).toHaveLength(1), patience);
        way.cut();
        give();
        await vi.waitFor(() => expect(seen).toHaveLength(2), patience);
        await stop();
        expect(attempts(seen)).toEqual([1, 2]);
        expect(await left("lost")).toBe(0);
      });

      test("a message of which a full queue takes no copy stays until it does", async () => {
        await manage("policies/%2f/full", {
          pattern: "^shop-full$",
          priority: 1,
          definition: { "max-length": 1, overflow: "reject-publish" },
          "apply-to": "queues",
        });
        const { promise, give } = later(again);
        const { seen } = await bounded("full", {
          settings: { prefetchCount: 1 },
          metadata: { singleActiveConsumer: "true" },
          answer: ({ attempt }) => (attempt === 1 ? promise : done),
        });
        await publish("full", "x");
        await vi.waitFor(() => expect(seen).toHaveLength(1), patience);
        await publish("full", "y");
        await expect(publish("full", "z")).rejects.toThrow("nacked");
        give();
        await sleep(400);
        const other = await raw.get("shop-full", { noAck: true });
        expect(other && `${other.content}`).toBe("y");
        await vi.waitFor(() => expect(seen).toHaveLength(2), patience);
        expect(seen.map(text)).toEqual(["x", "x"]);
        expect(attempts(seen)).toEqual([1, 2]);
      });

      test("who may publish no copy gets a failed message all the same, and counts it", async () => {
        const user = { username: "bare", password: "bare" };
        await manage("users/bare", { password: user.password, tags: "" });
        const write = "^(shop-)?bare$";
        await manage("permissions/%2f/bare", { configure: ".*", write, read: ".*" });
        const connectionString = server.url.replace("//", "//bare:bare@");
        const answer = ({ attempt }: IncomingMessage) => (attempt < 4 ? again : done);
        const { seen, stop } = await bounded("bare", { settings: { connectionString }, answer });
        await publish("bare", "x");
        await vi.waitFor(() => expect(seen).toHaveLength(4), patience);
        await stop();
        expect(attempts(seen)).toEqual([1, 2, 3, 4]);
        expect(await left("bare")).toBe(0);
      });
    });
  },
);

/** A way to the server that can be cut. */
async function passage(port: number) {
  const open = new Set<Socket>();
  const way = createServer((socket) => {
    const beyond = connect(port, "127.0.0.1");
    open.add(socket);
    pipeline(socket, beyond, () => undefined);
    pipeline(beyond, socket, () => undefined);
  }).listen(0, "127.0.0.1");
  way.unref();
  await once(way, "listening");
  return {
    url: `amqp://127.0.0.1:${(way.address() as AddressInfo).port}`,
    cut() {
      for (const socket of open) socket.destroy();
      open.clear();
    },
  };
}
