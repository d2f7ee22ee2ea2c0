import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "vitest";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { absentRedis } from "../harness/redis.ts";
import { callOf, ownClient } from "./_redis-beds.ts";
import {
  consume,
  newTopic,
  pending,
  readers,
  settled,
  streamsOn,
  withServer,
} from "./_redis-stream-beds.ts";

const message = (data: string): OutgoingMessage => ({ data, metadata: {} });

const reason = absentRedis();
describe.skipIf(reason)(
  reason ? `redis (skipped: ${reason})` : "redis",
  { concurrent: true },
  () => {
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

    test("a fast handler's messages come many at a time, each once, and none waits behind a slow one's", async ({
      expect,
    }) => {
      await withServer([], {}, async ({ raw }, broker) => {
        const topic = newTopic();
        const pipeline = raw.pipeline();
        for (let n = 0; n < 5000; n++) pipeline.xadd(topic, "*", "data", String(n));
        await pipeline.exec();
        await raw.config("RESETSTAT");
        let slow = false;
        const { seen, stop } = await consume(broker, topic, async () => {
          if (slow) await sleep(50);
          return { is: "done" };
        });
        await settled(() => expect(seen).toHaveLength(5000));
        expect(new Set(seen.map(({ data }) => data)).size).toBe(5000);
        await settled(async () => expect(await pending(raw, topic)).toBe(0));
        const stats = await raw.info("commandstats");
        // Ten at a time would take five hundred.
        expect(Number(/xreadgroup:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(150);
        slow = true;
        for (let n = 0; n < 400; n++) pipeline.xadd(topic, "*", "data", String(n));
        await pipeline.exec();
        await settled(() => expect(seen.length).toBeGreaterThan(5200));
        // Ten in hand, four that ten handlers get through in 20 ms, and what is told in the next moment.
        expect(await pending(raw, topic)).toBeLessThanOrEqual(30);
        await stop();
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
        // At most those of a read that was under way: nobody handled them, and nobody has them.
        const left = (await raw.xpending(topic, "shop", "-", "+", 100)) as unknown[][];
        expect(left.map(([, owner, , count]) => [owner, count])).toEqual(
          left.map(() => ["shop", 0]),
        );
        expect(left.length).toBeLessThanOrEqual(10);
      });
    });
  },
);
