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
