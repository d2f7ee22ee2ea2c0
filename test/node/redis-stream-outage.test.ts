import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { owned } from "../harness/process.ts";
import { absentRedis } from "../harness/redis.ts";
import { callOf, failureOf } from "./_redis-beds.ts";
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
const kept = ["--appendonly", "yes", "--appendfsync", "always"];
/** So short that an outage is noticed, and so long that a busy machine is none. */
const short = { dialTimeout: 1000, readTimeout: 1000 };

const reason = absentRedis();
describe.skipIf(reason)(
  reason ? `redis (skipped: ${reason})` : "redis",
  { concurrent: true },
  () => {
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

    test("a topic whose key is something else is refused, and one that becomes it holds up no other", async ({
      expect,
    }) => {
      await withServer([], { readTimeout: 500 }, async ({ raw }, broker) => {
        const [taken, lost, sound] = [newTopic(), newTopic(), newTopic()];
        await raw.set(taken, "x");
        expect((await failureOf(broker.publish(taken, message("x"), callOf()))).kind).toBe(
          "invalid",
        );
        expect((await failureOf(consume(broker, taken))).kind).toBe("invalid");
        const ill = await consume(broker, lost);
        const well = await consume(broker, sound);
        await broker.publish(lost, message("before"), callOf());
        await settled(() => expect(ill.seen).toHaveLength(1));
        await raw.set(lost, "x");
        await sleep(700);
        await broker.publish(sound, message("x"), callOf());
        await settled(() => expect(well.seen).toHaveLength(1));
        await raw.del(lost);
        await broker.publish(lost, message("after"), callOf());
        await settled(() => expect(ill.seen).toHaveLength(2));
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
