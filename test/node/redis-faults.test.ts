import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import type { ApiError } from "../../src/errors.ts";
import { absentRedis, type RedisServer, startRedis, startSentinel } from "../harness/redis.ts";
import { callOf, failureOf, runtimeOn, storeOn } from "./_redis-beds.ts";

const json = (value: unknown) => ({ json: JSON.stringify(value) });
const kept = ["--appendonly", "yes", "--appendfsync", "always"];

const reason = absentRedis();
describe.skipIf(reason)(
  reason ? `redis (skipped: ${reason})` : "redis",
  { concurrent: true },
  () => {
    test("64 writers in two processes on one key: conflicts, and no update lost", async ({
      expect,
    }) => {
      const server = await startRedis();
      const conflicts = await Promise.all([1, 2].map(() => count(server.address)));
      expect(Math.min(...conflicts)).toBeGreaterThan(0);
      expect(await server.raw.hget("orders||counter", "data")).toBe("320");
      await server.stop();
    });

    test("a server that is away for 10 s amid writes: no acknowledged write lost, every error unavailable and in time", async ({
      expect,
    }) => {
      const server = await startRedis({ args: kept });
      const runtime = runtimeOn({ redisHost: server.address });
      const state = runtime.blocks.state("store");
      const acknowledged = new Map<string, number>();
      const errors: ApiError[] = [];
      let longest = 0;
      let ended = false;
      const writers = Array.from({ length: 16 }, async (_, writer) => {
        for (let n = 0; !ended; n++) {
          const started = performance.now();
          try {
            await state.set(`key-${writer}`, n);
            acknowledged.set(`key-${writer}`, n);
          } catch (error) {
            errors.push(error as ApiError);
          }
          longest = Math.max(longest, performance.now() - started);
        }
      });
      await expect.poll(() => acknowledged.size, { timeout: 8000 }).toBe(16);
      const before = new Map(acknowledged);
      await server.halt();
      await sleep(10_000);
      await server.start();
      await expect
        .poll(
          () => [...acknowledged].filter(([key, n]) => n > (before.get(key) as number) + 50).length,
          {
            timeout: 8000,
          },
        )
        .toBe(16);
      ended = true;
      await Promise.all(writers);
      expect(errors.length).toBeGreaterThan(16);
      expect(new Set(errors.map(({ kind }) => kind))).toEqual(new Set(["unavailable"]));
      expect(longest).toBeLessThan(9000);
      const items = await state.getBulk<number>([...acknowledged.keys()]);
      const lost = items.filter(
        ({ key, value }) => (value ?? -1) < (acknowledged.get(key) as number),
      );
      expect(lost).toEqual([]);
      await runtime.close();
      await server.stop();
    }, 40_000);

    test("a server that accepts and never answers: limits, deadlines and aborts hold, and it is found again", async ({
      expect,
    }) => {
      const server = await startRedis();
      const store = storeOn({
        redisHost: server.address,
        readTimeout: 1500,
        dialTimeout: 1500,
        maxPendingCalls: 20,
      });
      await store.set("k", json(1), {}, callOf());
      const first = store.native(callOf()) as Redis;
      server.freeze();
      const gone = new Error("gone");
      const controller = new AbortController();
      const started = performance.now();
      const outcomes = Promise.all([
        failureOf(store.get("k", {}, callOf({ signal: controller.signal }))),
        failureOf(store.set("k", json(2), {}, callOf({ deadline: Date.now() + 300 }))),
        failureOf(store.get("k", {}, callOf())),
      ]);
      controller.abort(gone);
      const [aborted, late, silent] = await outcomes;
      expect(aborted).toBe(gone);
      expect(late).toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/writeTimeout.*whether it was written is not known/),
      });
      expect(silent).toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/readTimeout: 1500 ms/),
      });
      await expect.poll(() => first.status).toBe("end");
      // What comes now waits for a connection; as many as may, and no more.
      const waiting = Array.from({ length: 25 }, () => failureOf(store.get("k", {}, callOf())));
      const refused = (await Promise.all(waiting)).filter(({ message }) =>
        /maxPendingCalls/.test(message),
      );
      expect(refused.length).toBe(5);
      expect(performance.now() - started).toBeLessThan(10_000);
      server.thaw();
      await expect
        .poll(
          () =>
            store.set("k", json(3), {}, callOf()).then(
              () => "written",
              () => "failed",
            ),
          { timeout: 8000 },
        )
        .toBe("written");
      await store.close?.();
      await server.stop();
    });

    test("calls that nobody waits for any more count until they are answered", async ({
      expect,
    }) => {
      const server = await startRedis();
      const store = storeOn({ redisHost: server.address, maxPendingCalls: 20 });
      await store.set("k", json(1), {}, callOf());
      server.freeze();
      const hasty = () => failureOf(store.get("k", {}, callOf({ deadline: Date.now() + 200 })));
      const given = await Promise.all(Array.from({ length: 20 }, hasty));
      expect(given.filter(({ message }) => /maxPendingCalls/.test(message))).toEqual([]);
      expect((await hasty()).message).toMatch(/maxPendingCalls/);
      server.thaw();
      await expect.poll(() => store.get("k", {}, callOf()).catch(() => undefined)).toBeDefined();
      const all = Array.from({ length: 20 }, () => store.get("k", {}, callOf()));
      expect(await Promise.all(all)).toHaveLength(20);
      await store.close?.();
      await server.stop();
    });

    test("calls that give up early do not pile up on a connection that is silent", async ({
      expect,
    }) => {
      const server = await startRedis();
      const store = storeOn({ redisHost: server.address, readTimeout: 800, writeTimeout: 800 });
      await store.set("k", json(1), {}, callOf());
      const first = store.native(callOf()) as Redis;
      server.freeze();
      const hasty = () => failureOf(store.get("k", {}, callOf({ deadline: Date.now() + 50 })));
      expect(await hasty()).toMatchObject({ kind: "unavailable" });
      expect([first.status, first.commandQueue.length > 0]).toEqual(["ready", true]);
      await expect
        .poll(async () => [await hasty().then(() => first.status), first.commandQueue.length], {
          timeout: 5000,
        })
        .toEqual(["end", 0]);
      server.thaw();
      await store.set("k", json(2), {}, callOf());
      // The control: one hasty call on a server that answers others costs no connection.
      const second = store.native(callOf()) as Redis;
      const over = await failureOf(store.get("k", {}, callOf({ deadline: Date.now() - 1 })));
      expect(over.message).toMatch(/over before anything was sent/);
      await server.raw.client("PAUSE", 300);
      expect(await hasty()).toMatchObject({ kind: "unavailable" });
      await sleep(1000);
      expect(second.status).toBe("ready");
      await store.close?.();
      await server.stop();
    });

    test("connections cut amid updates: what was acknowledged is counted, and what is unknown at most once", async ({
      expect,
    }) => {
      const server = await startRedis();
      const store = storeOn({ redisHost: server.address, redisMaxRetryInterval: 10 });
      await store.set("n", json(0), {}, callOf());
      let acknowledged = 0;
      let unknown = 0;
      let cuts = 0;
      let ended = false;
      const cutter = (async () => {
        while (!ended) {
          await sleep(20);
          cuts += Number(
            await server.raw.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
          );
        }
      })();
      const writers = Array.from({ length: 16 }, async () => {
        for (let n = 0; n < 200; n++) {
          try {
            const item = await store.get("n", {}, callOf());
            const value = Number((item as { value: { json: string } }).value.json) + 1;
            await store.set("n", json(value), { when: { etag: item?.etag as string } }, callOf());
            acknowledged++;
          } catch (error) {
            const { kind, message } = error as ApiError;
            expect(["unavailable", "etag-mismatch"]).toContain(kind);
            if (/whether it was written is not known/.test(message)) unknown++;
          }
        }
      });
      await Promise.all(writers);
      ended = true;
      await cutter;
      expect(cuts).toBeGreaterThan(5);
      expect(unknown).toBeGreaterThan(0);
      const value = Number(await server.raw.hget("n", "data"));
      expect(value).toBeGreaterThanOrEqual(acknowledged);
      expect(value).toBeLessThanOrEqual(acknowledged + unknown);
      await store.close?.();
      await server.stop();
    });

    test("a read that lost its connection is made again, a write that was sent is not", async ({
      expect,
    }) => {
      const server = await startRedis();
      const proxy = await startProxy(server.port);
      const store = storeOn({ redisHost: proxy.address });
      await store.set("k", json(1), {}, callOf());
      const before = await server.raw.hget("k", "version");
      proxy.cutBeforeNextAnswer();
      expect(await store.get("k", {}, callOf())).toMatchObject({ value: { json: "1" } });
      proxy.cutBeforeNextAnswer();
      const failure = await failureOf(store.set("k", json(2), {}, callOf()));
      expect(failure).toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/whether it was written is not known/),
      });
      // It was written once, and a second time it would have been another version.
      await store.get("k", {}, callOf());
      expect(await server.raw.hget("k", "version")).toBe(String(Number(before) + 1));
      await store.close?.();
      await proxy.stop();
      await server.stop();
    });

    test("a connection on which nothing can be sent any more is left, and the write goes over another", async ({
      expect,
    }) => {
      const server = await startRedis();
      const store = storeOn({ redisHost: server.address });
      const etag = await store.set("k", json(1), {}, callOf());
      const first = store.native(callOf()) as Redis;
      // As after the server's last word, which the client has not heard to the end yet.
      first.stream.end();
      expect(first.status).toBe("ready");
      const when = { etag: etag as string };
      expect(await store.set("k", json(2), { when }, callOf())).toBe(String(Number(etag) + 1));
      expect(store.native(callOf())).not.toBe(first);
      await store.close?.();
      await server.stop();
    });

    test("a connection that was cut without a word while unused is replaced before a call uses it", async ({
      expect,
    }) => {
      const server = await startRedis();
      const proxy = await startProxy(server.port);
      let ahead = 0;
      const clock = { now: () => Date.now() + ahead, sleep: (ms: number) => sleep(ms) };
      const store = storeOn({ redisHost: proxy.address, readTimeout: 1000 }, { clock });
      await store.set("k", json(1), {}, callOf());
      expect(proxy.connections()).toBe(1);
      proxy.swallow();
      // The control: too early to doubt it.
      expect(await failureOf(store.set("k", json(2), {}, callOf()))).toMatchObject({
        kind: "unavailable",
      });
      await expect
        .poll(() => store.set("k", json(3), {}, callOf()).then(() => "written", String))
        .toBe("written");
      for (const idle of [61_000, 301_000]) {
        proxy.swallow();
        ahead += idle;
        await store.set("k", json(idle), {}, callOf());
      }
      expect(await server.raw.hget("k", "data")).toBe("301000");
      expect(proxy.connections()).toBe(4);
      await store.close?.();
      await proxy.stop();
      await server.stop();
    });

    test("a failover of the sentinels: the new master is found", async ({ expect }) => {
      const master = await startRedis({ args: kept });
      const follower = await startRedis({
        args: ["--replicaof", "127.0.0.1", String(master.port), ...kept],
      });
      const sentinel = await startSentinel(master, "main");
      const unknown = { redisHost: sentinel.address, failover: true, sentinelMasterName: "other" };
      const wrong = storeOn(unknown);
      expect(await failureOf(wrong.init?.(callOf()))).toMatchObject({
        kind: "config",
        message: expect.stringMatching(/correct sentinelMasterName/),
      });
      await wrong.close?.();
      const state = runtimeOn({
        redisHost: sentinel.address,
        failover: true,
        sentinelMasterName: "main",
      });
      const store = state.blocks.state("store");
      await store.set("k", 1);
      await expect
        .poll(() => follower.raw.info("replication"), { timeout: 15_000 })
        .toMatch(/master_link_status:up/);
      await expect
        .poll(() => sentinel.raw.call("SENTINEL", "REPLICAS", "main"), { timeout: 15_000 })
        .toHaveLength(1);
      await store.set("k", 2, { consistency: "strong" });
      await master.halt();
      await expect
        .poll(
          () =>
            store.set("k", 3).then(
              () => "written",
              (error) => error.kind,
            ),
          { timeout: 20_000, interval: 100 },
        )
        .toBe("written");
      expect(await follower.raw.hget("orders||k", "data")).toBe("3");
      await state.close();
      await Promise.all([sentinel, follower, master].map((server: RedisServer) => server.stop()));
    }, 60_000);
  },
);

const writer = fileURLToPath(new URL("_redis-writer.ts", import.meta.url));

/** 32 writers, five times each. Resolves to the conflicts that they saw. */
async function count(address: string): Promise<number> {
  const child = spawn(process.execPath, [writer, address, "update", "32", "5"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return Number(output.split(" ")[1]);
}

/** Stands between pillion and a server. */
async function startProxy(port: number) {
  let cutting = false;
  let made = 0;
  const swallowed = new Set<Socket>();
  const open = new Set<Socket>();
  const proxy = createServer((inside) => {
    made++;
    const outside = connect(port, "127.0.0.1");
    for (const socket of [inside, outside]) {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
    }
    inside.on("data", (chunk) => swallowed.has(inside) || outside.write(chunk));
    inside.on("close", () => outside.destroy());
    outside.on("data", (chunk) => {
      if (cutting) inside.destroy();
      else inside.write(chunk);
      cutting = false;
    });
    outside.on("close", () => inside.destroy());
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    connections: () => made,
    /** Carries the next request out, and closes its connection instead of answering. */
    cutBeforeNextAnswer() {
      cutting = true;
    },
    /** From now on nothing passes on the connections that there are. */
    swallow() {
      for (const socket of open) swallowed.add(socket);
    },
    async stop() {
      proxy.close();
      for (const socket of open) socket.destroy();
      await once(proxy, "close");
    },
  };
}
