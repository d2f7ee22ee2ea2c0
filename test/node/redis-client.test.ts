import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { callOf, failureOf, runtimeOn, storeOn } from "./_redis-beds.ts";

const reason = absentRedis();

describe.skipIf(reason)(
  reason ? `redis (skipped: ${reason})` : "redis, a client of one's own",
  () => {
    let server: RedisServer;
    const clients: Redis[] = [];

    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(async () => {
      for (const client of clients) client.disconnect();
      await server?.stop();
    });

    function clientWith(options: object): Redis {
      const client = new Redis({ port: server.port, host: "127.0.0.1", ...options });
      client.on("error", () => {});
      clients.push(client);
      return client;
    }

    test("may make pipelines by itself, also when the server forgot the scripts", async () => {
      const client = clientWith({ enableAutoPipelining: true });
      await using runtime = runtimeOn({ client });
      const state = runtime.blocks.state("store");
      const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
      await Promise.all(keys.map((key, index) => state.set(key, index)));
      await client.call("SCRIPT", ["FLUSH"]);
      expect(await Promise.all(keys.map((key) => state.get(key)))).toEqual(keys.map((_, at) => at));
      await state.update<number>("k0", (value = 0) => value + 1);
      expect(await state.get("k0")).toBe(1);
    });

    test("sends what is called at the same time in few writes, and alone what is", async () => {
      const client = clientWith({});
      const reads = async () =>
        Number(/total_reads_processed:(\d+)/.exec(await client.info("stats"))?.[1]);
      await using runtime = runtimeOn({ client });
      const state = runtime.blocks.state("store");
      const keys = Array.from({ length: 64 }, (_, index) => `together-${index}`);
      await state.set("k", 1);
      const start = await reads();
      for (const key of keys) await state.set(key, key);
      const alone = await reads();
      await Promise.all(keys.map((key) => state.set(key, `${key} again`)));
      const together = await reads();
      expect(alone - start).toBeGreaterThanOrEqual(64);
      expect(together - alone).toBeLessThan(32);
      expect(await Promise.all(keys.map((key) => state.get(key)))).toEqual(
        keys.map((key) => `${key} again`),
      );
    });

    test("does not hold back what its client sends by itself", async () => {
      const client = clientWith({});
      await using runtime = runtimeOn({ client });
      const state = runtime.blocks.state("store");
      await state.set("k", 1);
      const all = [state.set("k", 2), state.set("k", 3), client.ping(), state.get("k")];
      expect((await Promise.all(all)).slice(2)).toEqual(["PONG", 3]);
      expect(client.stream.writableCorked).toBe(0);
    });

    test("counts what a silent server has not answered, also when nobody waits any more", async () => {
      const store = storeOn({ client: clientWith({}), readTimeout: 50, maxPendingCalls: 20 });
      await store.get("k", {}, callOf());
      process.kill(server.pid, "SIGSTOP");
      try {
        const write = () => failureOf(store.set("late", { json: "1" }, {}, callOf()));
        const first = await Promise.all(Array.from({ length: 20 }, write));
        for (const error of first) expect(error.message).toContain("did not answer in time");
        expect((await write()).message).toContain(
          "20 calls wait for Redis already (maxPendingCalls)",
        );
      } finally {
        process.kill(server.pid, "SIGCONT");
      }
      await expect
        .poll(() => store.get("late", {}, callOf()))
        .toMatchObject({ value: { json: "1" } });
    });
  },
);

test.each([99_999, -1, 1.5])("redis: a port that cannot be is refused: %s", (redisPort) => {
  expect(() => storeOn({ redisHost: "localhost", redisPort })).toThrow(
    "a port is a whole number from 1 to 65535",
  );
});
