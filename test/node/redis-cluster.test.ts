import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { State } from "../../src/blocks/state/api.ts";
import type { Runtime } from "../../src/runtime.ts";
import { absentRedis, type RedisServer, startRedisCluster } from "../harness/redis.ts";
import { runtimeOn, storeOn } from "./_redis-beds.ts";

const reason = absentRedis();
describe.skipIf(reason)(reason ? `a cluster (skipped: ${reason})` : "a cluster", () => {
  let masters: RedisServer[];
  let runtime: Runtime;
  let state: State;
  beforeAll(async () => {
    masters = await startRedisCluster();
    // One address is enough: the others are learned.
    runtime = runtimeOn({ redisHost: masters[0]?.address, redisType: "cluster" });
    state = runtime.blocks.state("store");
  });
  afterAll(async () => {
    await runtime.close();
    await Promise.all(masters.map((server) => server.stop()));
  });

  const keysOn = async () =>
    Promise.all(masters.map(async ({ raw }) => (await raw.keys("orders||spread-*")).length));

  test("keys are spread over the masters, and read, listed and deleted as if they were not", async () => {
    const keys = Array.from(
      { length: 60 },
      (_, index) => `spread-${String(index).padStart(2, "0")}`,
    );
    await state.setBulk(keys.map((key) => ({ key, value: key })));
    expect(Math.min(...(await keysOn()))).toBeGreaterThan(0);
    expect((await state.getBulk(keys)).map(({ value }) => value)).toEqual(keys);
    const listed: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await state.list({ prefix: "spread-", limit: 7, cursor });
      listed.push(...page.keys);
      cursor = page.cursor;
    } while (cursor);
    expect(listed).toEqual(keys);
  });

  test("a transaction over several slots is refused, with the hash tag that mends it", async () => {
    const operations = ["a", "b", "c"].map(
      (key) => ({ operation: "upsert", key, value: 1 }) as const,
    );
    await expect(state.transaction(operations)).rejects.toMatchObject({
      code: "ERR_STATE_TRANSACTION",
      kind: "invalid",
      message: expect.stringMatching(/different slots.*hash tag/),
    });
    expect((await state.getBulk(["a", "b", "c"])).map(({ value }) => value)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("a transaction on keys with one hash tag is all or none", async () => {
    const etag = await state.set("{o-1}-a", 1);
    const pair = (etag: string | undefined) =>
      [
        { operation: "upsert", key: "{o-1}-b", value: 2 },
        { operation: "upsert", key: "{o-1}-a", value: 2, etag },
      ] as const;
    await state.transaction(pair(etag));
    await expect(state.transaction(pair(etag))).rejects.toMatchObject({ kind: "etag-mismatch" });
    const items = await state.getBulk(["{o-1}-a", "{o-1}-b"]);
    expect(items.map(({ value }) => value)).toEqual([2, 2]);
  });

  test("scripts that a master forgot, and slots that moved, are found again", async () => {
    const key = "moves";
    await state.set(key, 1);
    for (const { raw } of masters) await raw.script("FLUSH");
    expect(await state.get(key)).toBe(1);
    await state.set(key, 2);

    const slot = Number(await masters[0]?.raw.cluster("KEYSLOT", `orders||${key}`));
    const ids = await Promise.all(masters.map(({ raw }) => raw.cluster("MYID")));
    const held = await Promise.all(masters.map(({ raw }) => raw.cluster("COUNTKEYSINSLOT", slot)));
    const from = held.findIndex((count) => Number(count) > 0);
    const to = (from + 1) % 3;
    const [source, target] = [masters[from] as RedisServer, masters[to] as RedisServer];
    await target.raw.cluster("SETSLOT", slot, "IMPORTING", ids[from] as string);
    await source.raw.cluster("SETSLOT", slot, "MIGRATING", ids[to] as string);
    await source.raw.call("MIGRATE", "127.0.0.1", target.port, `orders||${key}`, 0, 1000);
    // In between the source answers ASK, and afterwards MOVED.
    expect(await state.get(key)).toBe(2);
    await state.set(key, 3);
    for (const { raw } of [target, source])
      await raw.cluster("SETSLOT", slot, "NODE", ids[to] as string);
    expect(await state.get(key)).toBe(3);
    expect(await target.raw.hget(`orders||${key}`, "data")).toBe("3");
  });

  test("with redisType node a server of a cluster says so, and a database is refused", async () => {
    await using wrong = runtimeOn({ redisHost: masters[0]?.address });
    const outcomes = await Promise.allSettled(
      ["a", "b", "c", "d"].map((key) => wrong.blocks.state("store").get(key)),
    );
    expect(outcomes.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { kind: "config", message: expect.stringMatching(/set redisType to cluster/) },
    });
    const options = { redisHost: "h", redisType: "cluster", redisDB: 1 };
    expect(() => storeOn(options)).toThrow(/redisDB must be 0/);
  });

  test("one master away fails its keys alone, and is found again when it is back", async () => {
    const keys = Array.from({ length: 30 }, (_, index) => `away-${index}`);
    await state.setBulk(keys.map((key) => ({ key, value: 1 })));
    const lost = masters[2] as RedisServer;
    lost.freeze();
    try {
      const items = await Promise.all(
        keys.map((key) =>
          state.get(key).then(
            () => "answered",
            (error) => error.kind,
          ),
        ),
      );
      expect(new Set(items)).toEqual(new Set(["answered", "unavailable"]));
    } finally {
      lost.thaw();
    }
    await expect
      .poll(
        async () =>
          (await state.getBulk(keys).catch(() => [])).filter(({ value }) => value === 1).length,
        { timeout: 10_000 },
      )
      .toBe(30);
  });
});
