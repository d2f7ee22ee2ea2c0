import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import type { OutgoingMessage, PubSub } from "../../src/contracts/pubsub.ts";
import { owned } from "../harness/process.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { callOf, failureOf, ownClient } from "./_redis-beds.ts";
import {
  consume,
  newTopic,
  pending,
  type StreamOptions,
  settled,
  streamsOn,
} from "./_redis-stream-beds.ts";

const message = (data: string): OutgoingMessage => ({ data, metadata: {} });
const kept = ["--appendonly", "yes", "--appendfsync", "always"];
/** So short that an outage is noticed, and so long that a busy machine is none. */
const short = { dialTimeout: 1000, readTimeout: 1000 };

const reason = absentRedis();
describe.skipIf(reason)(
  reason ? `redis (skipped: ${reason})` : "redis",
  { concurrent: true },
  () => {
    async function withServer(
      args: readonly string[],
      options: StreamOptions,
      work: (server: RedisServer, broker: PubSub) => Promise<void>,
    ) {
      const server = await startRedis({ args });
      const broker = streamsOn({ redisHost: server.address, ...options });
      try {
        await work(server, broker);
      } finally {
        server.thaw();
        await broker.close?.();
        await server.stop();
      }
    }

    test("a publish fails as unavailable and in time while the server is away, and both sides go on after", async ({
      expect,
    }) => {
      await withServer(kept, short, async (server, broker) => {
        const topic = newTopic();
        const { seen } = await consume(broker, topic);
        await broker.publish(topic, message("before"), callOf());
        await settled(() => expect(seen).toHaveLength(1));
        await server.halt();
        const started = performance.now();
        const single = await failureOf(broker.publish(topic, message("lost"), callOf()));
        const bulk = broker.publishBulk?.(topic, [message("lost")], callOf());
        expect([single.kind, (await failureOf(bulk)).kind]).toEqual(["unavailable", "unavailable"]);
        const deadline = Date.now() + 100;
        const late = await failureOf(broker.publish(topic, message("lost"), callOf({ deadline })));
        expect(late.kind).toBe("unavailable");
        const why = new Error("gone");
        const signal = AbortSignal.abort(why);
        expect(await failureOf(broker.publish(topic, message("lost"), callOf({ signal })))).toBe(
          why,
        );
        expect(performance.now() - started).toBeLessThan(8000);
        await server.start();
        await broker.publish(topic, message("after"), callOf());
        await settled(() => expect(seen.map(({ data }) => data)).toEqual(["before", "after"]));
        await settled(async () => expect(await pending(server.raw, topic)).toBe(0));
      });
    });

    test("a server that freezes: publishes fail in time, and a consumer goes on once it thaws", async ({
      expect,
    }) => {
      await withServer([], short, async (server, broker) => {
        const topic = newTopic();
        const { seen } = await consume(broker, topic);
        await broker.publish(topic, message("before"), callOf());
        await settled(() => expect(seen).toHaveLength(1));
        server.freeze();
        const started = performance.now();
        expect((await failureOf(broker.publish(topic, message("x"), callOf()))).kind).toBe(
          "unavailable",
        );
        expect(performance.now() - started).toBeLessThan(4000);
        // Longer than the reader waits for an answer: it leaves the connection.
        await sleep(3000);
        server.thaw();
        await settled(() => broker.publish(topic, message("after"), callOf()));
        await settled(() => expect(seen.map(({ data }) => data)).toContain("after"));
        await settled(async () => expect(await pending(server.raw, topic)).toBe(0));
      });
    });

    test("a group that is gone is made again, and reads from the oldest message", async ({
      expect,
    }) => {
      await withServer([], {}, async ({ raw }, broker) => {
        const [topic, other] = [newTopic(), newTopic()];
        const { seen } = await consume(broker, topic);
        const idle = await consume(broker, other);
        await broker.publish(topic, message("before"), callOf());
        await settled(() => expect(seen).toHaveLength(1));
        await raw.flushall();
        await broker.publish(topic, message("after"), callOf());
        await broker.publish(other, message("too"), callOf());
        await settled(() => expect(seen.map(({ data }) => data)).toEqual(["before", "after"]));
        await settled(() => expect(idle.seen).toHaveLength(1));
      });
    });

    test("messages whose answer was lost with its connection are delivered all the same", async ({
      expect,
    }) => {
      await withServer([], {}, async ({ raw }, broker) => {
        const topic = newTopic();
        const { seen } = await consume(broker, topic);
        await broker.publish(topic, message("first"), callOf());
        await settled(() => expect(seen).toHaveLength(1));
        const rows = (await raw.xinfo("CONSUMERS", topic, "shop")) as string[][];
        // What the server would have sent on a connection that broke: delivered, and nobody has it.
        await raw.xadd(newTopic(), "*", "data", "x");
        const blocked = await readers(raw);
        expect(blocked).toHaveLength(1);
        const transaction = raw.multi();
        transaction.call("CLIENT", "KILL", "ID", blocked[0] as string);
        transaction.xadd(topic, "*", "data", "void");
        const name = rows[0]?.[1] as string;
        transaction.xreadgroup("GROUP", "shop", name, "STREAMS", topic, ">");
        await transaction.exec();
        await settled(() => expect(seen).toHaveLength(2));
        expect(seen[1]).toMatchObject({ data: "void", attempt: 2 });
        await settled(async () => expect(await pending(raw, topic)).toBe(0));
      });
    });

    test("one connection reads all topics; a full one holds up no other, and is read again once it has room", async ({
      expect,
    }) => {
      await withServer([], { readTimeout: 20_000 }, async ({ raw }, broker) => {
        const [slow, quick] = [newTopic(), newTopic()];
        let open = (): void => undefined;
        const held = new Promise<void>((resolve) => {
          open = resolve;
        });
        const full = await consume(
          broker,
          slow,
          async () => {
            await held;
            return { is: "done" };
          },
          2,
        );
        const free = await consume(broker, quick);
        for (const data of ["1", "2", "3"]) await broker.publish(slow, message(data), callOf());
        await settled(() => expect(full.seen).toHaveLength(2));
        await broker.publish(quick, message("passes"), callOf());
        await settled(() => expect(free.seen).toHaveLength(1));
        expect(await readers(raw)).toHaveLength(1);
        expect(await pending(raw, slow)).toBe(2);
        open();
        // Within the time that a read would block: it was interrupted.
        await settled(() => expect(full.seen).toHaveLength(3), 5000);
        const more = await consume(broker, newTopic());
        await more.stop();
      });
    });

    test("a user that may not interrupt a read has a connection for each topic", async ({
      expect,
    }) => {
      await withServer([], {}, async (server) => {
        await server.raw.call(
          ...["ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", "-client|unblock"],
        );
        const broker = streamsOn({
          redisHost: server.address,
          redisUsername: "app",
          redisPassword: "secret",
        });
        const topics = [newTopic(), newTopic()];
        const lines = await Promise.all(topics.map((topic) => consume(broker, topic)));
        for (const topic of topics) await broker.publish(topic, message("x"), callOf());
        await settled(() => expect(lines.map(({ seen }) => seen.length)).toEqual([1, 1]));
        await settled(async () => expect(await readers(server.raw)).toHaveLength(2));
        await broker.close?.();
        expect(await readers(server.raw)).toHaveLength(0);
      });
    });

    test("a client of the user's own is copied for reading, and stays open", async ({ expect }) => {
      await withServer([], {}, async ({ port, raw }) => {
        const client = ownClient(port);
        const broker = streamsOn({ client });
        const topic = newTopic();
        const { seen } = await consume(broker, topic);
        await broker.publish(topic, message("x"), callOf());
        await settled(() => expect(seen).toHaveLength(1));
        expect(broker.native(callOf())).toBe(client);
        await broker.close?.();
        expect(await client.ping()).toBe("PONG");
        await settled(async () => expect(await readers(raw)).toHaveLength(0));
        client.disconnect();
      });
    });

    test("100,000 messages wait for a slow handler: the process takes what it handles", async ({
      expect,
    }) => {
      await withServer([], {}, async ({ raw }, broker) => {
        const topic = newTopic();
        const text = "x".repeat(1000);
        for (let part = 0; part < 100; part++) {
          const pipeline = raw.pipeline();
          for (let n = 0; n < 1000; n++) pipeline.xadd(topic, "*", "data", text);
          await pipeline.exec();
        }
        const held = () => process.memoryUsage().heapUsed + process.memoryUsage().external;
        const before = held();
        const { seen, stop } = await consume(broker, topic, async (message) => {
          seen.splice(seen.indexOf(message), 1);
          handled++;
          await sleep(20);
          return { is: "done" };
        });
        let handled = 0;
        let most = 0;
        while (handled < 500) {
          most = Math.max(most, await pending(raw, topic));
          await sleep(5);
        }
        // In hand, and acknowledged in the next moment; 100 MB wait.
        expect(most).toBeLessThanOrEqual(30);
        expect(held() - before).toBeLessThan(50_000_000);
        await stop();
        expect(await pending(raw, topic)).toBe(0);
      });
    });

    test.for([true, false])(
      "a closed broker lets the process end, with the server %s",
      async (there, { expect }) => {
        await withServer([], {}, async (server) => {
          const program = fileURLToPath(new URL("_redis-stream-closer.ts", import.meta.url));
          const child = owned(
            spawn(process.execPath, [program, server.address], {
              stdio: ["pipe", "pipe", "inherit"],
              env: { ...process.env, NODE_NO_WARNINGS: "1" },
            }),
          );
          await once(child.stdout, "data");
          if (!there) await server.halt();
          child.stdin.end();
          const [code] = await once(child, "exit");
          expect(code).toBe(0);
        });
      },
    );

    test.for([
      [{ processingTimeout: 0 }, "processingTimeout must be from 1 ms"],
      [{ redeliverInterval: 0 }, "redeliverInterval must be from 1 ms"],
      [{ concurrency: 0 }, "concurrency must be a whole number from 1"],
      [{ queueDepth: 1.5 }, "queueDepth must be a whole number from 1"],
      [{ maxLenApprox: 5, streamTTL: "1s" }, "exclude each other"],
    ] as const)("%j is refused by name", ([options, text], { expect }) => {
      expect(() => streamsOn({ redisHost: "127.0.0.1:9", ...options })).toThrow(text);
    });
  },
);

/** Numbers of the connections that wait for messages. */
async function readers(raw: RedisServer["raw"]): Promise<string[]> {
  const list = String(await raw.client("LIST"));
  return list
    .split("\n")
    .filter((line) => /\bcmd=xreadgroup\b/.test(line))
    .map((line) => /\bid=(\d+)/.exec(line)?.[1] as string);
}
