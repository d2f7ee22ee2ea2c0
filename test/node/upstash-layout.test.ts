import { describe, expect, test } from "vitest";
import { state as redisState } from "../../bindings/node/redis.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { absentRedis } from "../harness/redis.ts";
import { runtimeOn, upstashBed } from "./_upstash-beds.ts";
import { callOf, failureOf, storeOn } from "./_upstash-store.ts";

const reason = absentRedis();

describe.skipIf(reason)(reason ? `upstash (skipped: ${reason})` : "state.upstash", () => {
  const bed = upstashBed();
  const store = () => runtimeOn(bed.options).blocks.state("store");

  test("writes Dapr's hash, its bytes as they are", async () => {
    const every = Uint8Array.from({ length: 256 }, (_, index) => index);
    await store().set("json", { a: "ü✓🐎" });
    await store().set("bytes", every, { ttlInSeconds: 60 });
    const json = await bed.redis.raw.hgetall("orders||json");
    expect(json).toEqual({ data: '{"a":"ü✓🐎"}', version: expect.stringMatching(/^\d+$/) });
    const bytes = await bed.redis.raw.hgetBuffer("orders||bytes", "data");
    expect(new Uint8Array(bytes as Buffer)).toEqual(every);
    expect(await bed.redis.raw.ttl("orders||bytes")).toBeGreaterThan(50);
  });

  test("reads what Dapr wrote, and counts its version on", async () => {
    const { raw } = bed.redis;
    await raw.hset("orders||theirs", "data", '{"b":1}', "version", "7", "first-write", "0");
    await raw.hset("orders||blob", "data", Buffer.from([255, 0, 200]), "version", "1");
    await raw.hset("orders||text", "data", "plain", "version", "1");
    await raw.set("orders||string", '"s"');
    expect(await store().getItem("theirs")).toMatchObject({ value: { b: 1 }, etag: "7" });
    expect(await store().get("blob")).toEqual(new Uint8Array([255, 0, 200]));
    expect(await store().get("text")).toEqual(new TextEncoder().encode("plain"));
    expect(await store().getItem("string")).toMatchObject({ value: "s", etag: undefined });
    expect(await store().set("theirs", 2, { etag: "7" })).toBe("8");
    expect(await raw.hget("orders||theirs", "first-write")).toBe("0");
  });

  test("shares its items with state.redis, both ways", async () => {
    const redis = createRuntime({
      id: "orders",
      components: { store: redisState({ redisHost: bed.redis.address }) },
      host: processHost("node"),
    });
    const other = redis.blocks.state("store");
    const bytes = new Uint8Array([0, 128, 255]);
    const etag = await store().set("ours", bytes);
    expect(await other.getItem("ours")).toMatchObject({ value: bytes, etag });
    const next = await other.set("ours", ["ü"], { etag, ttlInSeconds: 60 });
    expect(await store().getItem("ours")).toEqual(await other.getItem("ours"));
    expect(await failureOf(store().set("ours", 1, { etag }))).toMatchObject({
      kind: "etag-mismatch",
    });
    await store().set("ours", 1, { etag: next });
    expect(await other.get("ours")).toBe(1);
    await redis.close();
  });

  test("a key of another type is corrupt for itself alone, and not listed", async () => {
    await bed.redis.raw.lpush("orders||list", "1");
    await store().set("listed", 1);
    expect(await failureOf(store().get("list"))).toMatchObject({ kind: "corrupt" });
    const [list, listed] = await store().getBulk(["list", "listed"]);
    expect(list?.error?.message).toContain("another program uses the key");
    expect(listed?.value).toBe(1);
    expect((await store().list({ prefix: "list" })).keys).toEqual(["listed"]);
  });

  test("a key that is no text is not listed", async () => {
    await bed.redis.raw.hset(Buffer.from("orders||raw-\xff", "latin1"), "data", "1", "version", 1);
    await store().set("raw-ü", 1);
    expect((await store().list({ prefix: "raw-" })).keys).toEqual(["raw-ü"]);
  });

  test("bytes and text of a megabyte come back whole", async () => {
    const bytes = Uint8Array.from({ length: 1_000_000 }, (_, index) => (index * 7) % 256);
    await store().set("large", bytes);
    const read = (await store().get("large")) as Uint8Array;
    expect(Buffer.compare(read, bytes)).toBe(0);
    const text = "ü✓🐎x".repeat(200_000);
    await store().set("large", text);
    expect((await store().get("large")) === text).toBe(true);
  });

  test("Lua and patterns in keys stay text", async () => {
    const key = `']] redis.call('FLUSHALL') --[[*?[a]`;
    await store().set(key, 1);
    await store().set("other", 2);
    expect(await store().get(key)).toBe(1);
    expect((await store().list({ prefix: key })).keys).toEqual([key]);
    await store().delete(key);
    expect(await store().get("other")).toBe(2);
  });

  test("only a read that may be old is left to a replica", async () => {
    const calls = async (command: string) => {
      const stats = await bed.redis.raw.info("commandstats");
      return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    };
    await store().set("k", 1);
    expect(await store().get("k")).toBe(1);
    expect(await store().get("k", { consistency: "strong" })).toBe(1);
    expect(await calls("eval_ro")).toBe(0);
    expect(await store().get("k", { consistency: "eventual" })).toBe(1);
    expect(await calls("eval_ro")).toBe(1);
  });

  test("a write that must reach every replica is refused", async () => {
    const set = { operation: "upsert", key: "strong", value: 1, consistency: "strong" } as const;
    const refused = { kind: "unsupported" };
    expect(await failureOf(store().set("strong", 1, set))).toMatchObject(refused);
    expect(await failureOf(store().transaction([set]))).toMatchObject(refused);
    expect(await store().get("strong")).toBeUndefined();
  });

  test("64 writers of two processes' worth of components lose nothing", async () => {
    const stores = [store(), store()];
    await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        stores[index % 2]?.update("counter", (value: number | undefined) => (value ?? 0) + 1, {
          attempts: 1000,
        }),
      ),
    );
    expect(await store().get("counter")).toBe(64);
  });

  test("the client is handed over once there has been a call", async () => {
    const opened = storeOn(bed.options);
    expect(() => opened.native(callOf())).toThrow("first call");
    await opened.get("k", {}, callOf());
    const client = opened.native(callOf()) as { ping(): Promise<string> };
    expect(await client.ping()).toBe("PONG");
  });
});
