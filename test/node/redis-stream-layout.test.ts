import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Link } from "../../bindings/node/_redis-link.ts";
import { groupOf } from "../../bindings/node/_redis-stream-group.ts";
import type {
  IncomingMessage,
  Outcome,
  OutgoingMessage,
  PubSub,
} from "../../src/contracts/pubsub.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { callOf } from "./_redis-beds.ts";
import {
  consume,
  newTopic,
  pending,
  type StreamOptions,
  settled,
  streamsOn,
} from "./_redis-stream-beds.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const message = (data: OutgoingMessage["data"], metadata = {}): OutgoingMessage => ({
  data,
  metadata,
});

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

for (const kind of ["redis", "valkey"] as const) {
  const reason = absentRedis(kind);
  describe.skipIf(reason)(reason ? `${kind} (skipped: ${reason})` : kind, () => {
    let server: RedisServer;
    const brokers: PubSub[] = [];
    beforeAll(async () => {
      server = await startRedis({ kind });
    });
    afterEach(() => Promise.all(brokers.splice(0).map((broker) => broker.close?.())));
    afterAll(() => server.stop());

    function open(options: StreamOptions = {}): PubSub {
      const broker = streamsOn({ redisHost: server.address, ...options });
      brokers.push(broker);
      return broker;
    }

    /** As daprd: one consumer for all, of the group's name. */
    const asDapr = (topic: string) =>
      server.raw.xreadgroup("GROUP", "shop", "shop", "COUNT", 100, "STREAMS", topic, ">");

    const consumers = async (topic: string) =>
      ((await server.raw.xinfo("CONSUMERS", topic, "shop")) as string[][]).map(([, name]) => name);

    test("what pillion writes is an entry as daprd writes one", async () => {
      const broker = open();
      const topic = newTopic();
      await broker.publish(topic, message('{"id":"1"}'), callOf());
      await broker.publish(topic, message("raw", { ttlInSeconds: "5" }), callOf());
      await broker.publish(topic, message(bytes(0, 255)), callOf());
      const bulk = [message("a"), message("b", { k: "v" })];
      expect(await broker.publishBulk?.(topic, bulk, callOf())).toEqual([undefined, undefined]);
      const entries = await server.raw.xrangeBuffer(topic, "-", "+");
      const binary = entries[2]?.[1]?.[1];
      expect(binary).toEqual(Buffer.from(bytes(0, 255)));
      expect(entries.map(([, fields]) => fields.map(String))).toEqual([
        ["data", '{"id":"1"}'],
        ["data", "raw", "metadata", '{"ttlInSeconds":"5"}'],
        ["data", String(binary)],
        ["data", "a"],
        ["data", "b", "metadata", '{"k":"v"}'],
      ]);
    });

    test("what daprd writes is delivered, from the oldest message that there is", async () => {
      const { raw } = server;
      const topic = newTopic();
      const ids = [
        await raw.xadd(topic, "*", "data", '{"id":"1"}'),
        await raw.xadd(topic, "*", "metadata", '{"k":"v","n":1}', "data", "two"),
        await raw.xadd(topic, "*", "data", "three", "metadata", "no JSON"),
        await raw.xadd(topic, "*", "other", "x"),
        await raw.xadd(topic, "*", "data", Buffer.from(bytes(255, 0))),
      ];
      const { seen } = await consume(open(), topic);
      await settled(() => expect(seen).toHaveLength(5));
      const common = { topic, attempt: 1, metadata: {} };
      expect(seen).toEqual([
        { ...common, id: ids[0], data: '{"id":"1"}' },
        { ...common, id: ids[1], data: "two", metadata: { k: "v" } },
        { ...common, id: ids[2], data: "three" },
        { ...common, id: ids[3], data: "" },
        { ...common, id: ids[4], data: Buffer.from(bytes(255, 0)) },
      ]);
      await settled(async () => expect(await pending(raw, topic)).toBe(0));
    });

    test("daprd and pillion share a group: each message goes to one of them", async () => {
      const broker = open();
      const topic = newTopic();
      const { seen, stop } = await consume(broker, topic);
      await broker.publish(topic, message("ours"), callOf());
      await settled(() => expect(seen).toHaveLength(1));
      await stop();
      await broker.publish(topic, message("theirs"), callOf());
      const [[, entries] = []] = (await asDapr(topic)) as [string, [string, string[]][]][];
      expect(entries?.map(([, fields]) => fields)).toEqual([["data", "theirs"]]);
    });

    test("what daprd left unacknowledged is taken over once its time is over, and counted", async () => {
      const topic = newTopic();
      await server.raw.xgroup("CREATE", topic, "shop", "0", "MKSTREAM");
      await server.raw.xadd(topic, "*", "data", "left");
      await asDapr(topic);
      const broker = open({ processingTimeout: 300, redeliverInterval: 50 });
      const { seen } = await consume(broker, topic);
      await broker.publish(topic, message("new"), callOf());
      await settled(() => expect(seen).toHaveLength(2));
      expect(seen.map(({ data, attempt }) => [data, attempt])).toEqual([
        ["new", 1],
        ["left", 2],
      ]);
      await settled(async () => expect(await pending(server.raw, topic)).toBe(0));
    });

    test("what failed stays pending until it is handled, where daprd acknowledges it", async () => {
      const broker = open({ redeliverInterval: 100 });
      const topic = newTopic();
      const { seen } = await consume(broker, topic, ({ attempt }) =>
        attempt < 3 ? { is: "retry" } : { is: "done" },
      );
      await broker.publish(topic, message("x"), callOf());
      await settled(() => expect(seen).toHaveLength(1));
      expect(await pending(server.raw, topic)).toBe(1);
      await settled(() => expect(seen).toHaveLength(3));
      expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
      expect(new Set(seen.map(({ id }) => id)).size).toBe(1);
      await settled(async () => expect(await pending(server.raw, topic)).toBe(0));
    });

    test("a message that waits for its delay longer than the timeout stays with its process", async () => {
      const options = { processingTimeout: 800, redeliverInterval: 50 };
      const [first, second] = [open(options), open(options)];
      const topic = newTopic();
      const times: number[] = [];
      const one = await consume(first, topic, ({ attempt }) => {
        times.push(performance.now());
        return attempt === 1 ? { is: "retry", delay: 3000 } : { is: "done" };
      });
      await first.publish(topic, message("x"), callOf());
      await settled(() => expect(one.seen).toHaveLength(1));
      const other = await consume(second, topic);
      await settled(() => expect(one.seen).toHaveLength(2));
      const [begun = 0, again = 0] = times;
      expect(again - begun).toBeGreaterThan(2990);
      expect(other.seen).toEqual([]);
      // The control: what nobody keeps is taken over in less than that time.
      const left = newTopic();
      await server.raw.xgroup("CREATE", left, "shop", "0", "MKSTREAM");
      await server.raw.xadd(left, "*", "data", "left");
      await asDapr(left);
      const control = await consume(second, left);
      await settled(() => expect(control.seen).toHaveLength(1), 2990);
    });

    test("what an ended process left is taken over once, however many look for it", async () => {
      const topic = newTopic();
      await server.raw.xgroup("CREATE", topic, "shop", "0", "MKSTREAM");
      const pipeline = server.raw.pipeline();
      for (let n = 0; n < 90; n++) pipeline.xadd(topic, "*", "data", String(n));
      await pipeline.exec();
      await asDapr(topic);
      await sleep(2200);
      const options = { processingTimeout: 2000, redeliverInterval: 60_000, concurrency: 90 };
      const brokers = Array.from({ length: 6 }, () => open(options));
      const lines = await Promise.all(brokers.map((broker) => consume(broker, topic)));
      const seen = () => lines.flatMap((line) => line.seen);
      await settled(async () => expect(await pending(server.raw, topic)).toBe(0));
      expect(seen()).toHaveLength(90);
      expect(new Set(seen().map(({ data }) => data)).size).toBe(90);
    });

    test("a message that somebody took meanwhile is left to them, and one's own is not", async () => {
      const { raw } = server;
      const topic = newTopic();
      const link: Link = {
        run: (_call, _intent, work) => work(raw),
        native: () => raw,
        close: () => undefined,
      };
      const own = groupOf(topic, { link, group: "shop", consumer: "shop-own", lease: 60_000 });
      await own.ensure();
      const theirs = (await raw.xadd(topic, "*", "data", "theirs")) as string;
      await asDapr(topic);
      const mine = (await raw.xadd(topic, "*", "data", "mine")) as string;
      await raw.xreadgroup("GROUP", "shop", "shop-own", "STREAMS", topic, ">");
      const taken = await own.take([theirs, mine]);
      expect(taken.map(({ id, attempt }) => [id, attempt])).toEqual([[mine, 2]]);
      expect(await own.keep([theirs, mine])).toEqual([mine]);
      expect(await own.abandoned(10)).toEqual([]);
    });

    test("messages that fail again and again keep no new one out", async () => {
      const broker = open();
      const topic = newTopic();
      const poison = Array.from({ length: 20 }, () => message("poison"));
      await broker.publishBulk?.(topic, poison, callOf());
      const slow = async ({ data }: IncomingMessage): Promise<Outcome> => {
        if (data !== "poison") return { is: "done" };
        // Longer than its delay: something is due at any time. And too long for any message to be read ahead.
        await sleep(30);
        return { is: "retry", delay: 0 };
      };
      const { seen, stop } = await consume(broker, topic, slow, 1);
      await settled(() => expect(seen.length).toBeGreaterThan(40));
      // More than one: the first goes into a read that was under way.
      await broker.publishBulk?.(
        topic,
        Array.from({ length: 5 }, () => message("new")),
        callOf(),
      );
      const fresh = () => seen.filter(({ data }) => data === "new");
      await settled(() => expect(fresh()).toHaveLength(5));
      await stop();
      expect(await pending(server.raw, topic)).toBe(20);
    });

    test("a pending message that was deleted is acknowledged, and the others come", async () => {
      const topic = newTopic();
      const { raw } = server;
      await raw.xgroup("CREATE", topic, "shop", "0", "MKSTREAM");
      const id = (await raw.xadd(topic, "*", "data", "gone")) as string;
      await raw.xadd(topic, "*", "data", "there");
      await asDapr(topic);
      await raw.xdel(topic, id);
      const broker = open({ processingTimeout: 50, redeliverInterval: 50 });
      const { seen } = await consume(broker, topic);
      await settled(() => expect(seen).toHaveLength(1));
      expect(seen[0]?.data).toBe("there");
      await settled(async () => expect(await pending(raw, topic)).toBe(0));
    });

    test("a process that stops leaves the group, and what it had to whoever looks first", async () => {
      const topic = newTopic();
      const broker = open({ processingTimeout: 5000 });
      const held = gate();
      const { seen, stop } = await consume(broker, topic, async () => {
        await held.opened;
        return { is: "retry" };
      });
      await broker.publish(topic, message("x"), callOf());
      await settled(() => expect(seen).toHaveLength(1));
      expect(await consumers(topic)).toEqual([expect.stringMatching(/^shop-[0-9a-f-]{36}$/)]);
      const stopped = stop();
      held.open();
      await stopped;
      await stop();
      expect(await consumers(topic)).toEqual(["shop"]);
      const [[id, owner, idle, count] = []] = (await server.raw.xpending(
        ...[topic, "shop", "-", "+", 10],
      )) as [string, string, number, number][];
      expect([id, owner, count]).toEqual([seen[0]?.id, "shop", 1]);
      // What daprd asks of a message before it claims it.
      expect(idle).toBeGreaterThanOrEqual(5000);
      const next = await consume(open({ processingTimeout: 5000 }), topic);
      await settled(() => expect(next.seen).toHaveLength(1));
      expect(next.seen[0]).toMatchObject({ data: "x", attempt: 2 });
    });

    test("a process that stops cuts no delay short, whether its handler ends before or after, up to the lease", async () => {
      const topic = newTopic();
      const options = { processingTimeout: 3000, redeliverInterval: 50, concurrency: 3 };
      const broker = open(options);
      const held = gate();
      const delays: Record<string, number> = { before: 1500, after: 1500, long: 3_600_000 };
      const first = await consume(broker, topic, async ({ data }) => {
        if (data === "after") await held.opened;
        return { is: "retry", delay: delays[String(data)] };
      });
      for (const data of Object.keys(delays)) await broker.publish(topic, message(data), callOf());
      await settled(() => expect(first.seen).toHaveLength(3));
      const stopped = first.stop();
      held.open();
      await stopped;
      const begun = performance.now();
      const times: Record<string, number> = {};
      await consume(open(options), topic, ({ data, attempt }) => {
        expect(attempt).toBe(2);
        times[String(data)] = performance.now() - begun;
        return { is: "done" };
      });
      await settled(() => expect(Object.keys(times)).toHaveLength(3));
      const { before = 0, after = 0, long = 0 } = times;
      for (const time of [before, after]) {
        expect(time).toBeGreaterThan(1200);
        expect(time).toBeLessThan(3000);
      }
      // The server knows of no later time than the lease's end.
      expect(long).toBeGreaterThan(3000);
    });

    test("consumers of processes that were killed are taken away, once they are idle and have nothing", async () => {
      const topic = newTopic();
      const { raw } = server;
      await raw.xgroup("CREATE", topic, "shop", "0", "MKSTREAM");
      await raw.xadd(topic, "*", "data", "x");
      const [dead, busy] = [`shop-${crypto.randomUUID()}`, `shop-${crypto.randomUUID()}`];
      for (const name of [dead, "shop", "shop-own"]) {
        await raw.xgroup("CREATECONSUMER", topic, "shop", name);
      }
      await raw.xreadgroup("GROUP", "shop", busy, "STREAMS", topic, ">");
      await sleep(700);
      await consume(open({ processingTimeout: 10, redeliverInterval: 60_000 }), topic);
      await settled(async () => expect(await consumers(topic)).not.toContain(dead));
      expect(await consumers(topic)).toEqual(expect.arrayContaining(["shop", "shop-own", busy]));
    });

    test("a topic is trimmed by length or by age, about, as daprd trims it", async () => {
      const { raw } = server;
      const [long, old] = [newTopic(), newTopic()];
      const broker = open({ maxLenApprox: 100 });
      const many = Array.from({ length: 1000 }, (_, index) => message(`${index}`));
      await broker.publishBulk?.(long, many, callOf());
      expect(await raw.xlen(long)).toBeGreaterThanOrEqual(100);
      expect(await raw.xlen(long)).toBeLessThan(300);
      const pipeline = raw.pipeline();
      for (let n = 1; n <= 1000; n++) pipeline.xadd(old, `${n}-1`, "data", "x");
      await pipeline.exec();
      await open({ streamTTL: 60_000 }).publish(old, message("x"), callOf());
      expect(await raw.xlen(old)).toBeLessThan(200);
    });
  });
}
