import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { State } from "../../src/blocks/state/api.ts";
import type { Runtime } from "../../src/runtime.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import { callOf, failureOf, runtimeOn, storeOn } from "./_redis-beds.ts";

// The effect of the two scripts that Dapr sends, step by step as its layout is described.
const DAPR_SET = `
local etag = redis.pcall('HGET', KEYS[1], 'version')
if type(etag) == 'table' then redis.call('DEL', KEYS[1]); etag = false end
local first = redis.call('HGET', KEYS[1], 'first-write')
if not etag or etag == '' or etag == ARGV[1] or (not first and ARGV[1] == '0') then
  redis.call('HSET', KEYS[1], 'data', ARGV[2])
  if ARGV[3] == '0' then redis.call('HSET', KEYS[1], 'first-write', 0) end
  return redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return redis.error_reply('failed to set key ' .. KEYS[1])`;
const DAPR_DELETE = `
local etag = redis.pcall('HGET', KEYS[1], 'version')
if type(etag) == 'table' or not etag or etag == '' or etag == ARGV[1] or ARGV[1] == '0' then
  return redis.call('DEL', KEYS[1])
end
return redis.error_reply('failed to delete ' .. KEYS[1])`;

for (const kind of ["redis", "valkey"] as const) {
  const reason = absentRedis(kind);
  describe.skipIf(reason)(reason ? `${kind} (skipped: ${reason})` : kind, () => {
    let server: RedisServer;
    let runtime: Runtime;
    let state: State;
    beforeAll(async () => {
      server = await startRedis({ kind });
      runtime = runtimeOn({ redisHost: server.address });
      state = runtime.blocks.state("store");
    });
    afterAll(async () => {
      await runtime.close();
      await server.stop();
    });

    test("hashes that Dapr wrote are read, JSON and bytes, with their version and expiry", async () => {
      const { raw } = server;
      await raw.hset("orders||json", { data: '{"a":"x<y","half":0.123456}', version: "7" });
      await raw.hset("orders||first", { data: "1", version: "1", "first-write": "0" });
      await raw.hset("orders||bytes", { data: Buffer.from([0, 1, 255]), version: "2" });
      await raw.hset("orders||text", { data: "no JSON ä", version: "3" });
      await raw.expire("orders||bytes", 60);
      const end = Math.ceil(Number(await raw.pexpiretime("orders||bytes")) / 1000) * 1000;
      expect(await state.getItem("json")).toEqual({
        key: "json",
        value: { a: "x<y", half: 0.123456 },
        etag: "7",
        ttlExpireTime: undefined,
      });
      expect(await state.getItem("first")).toMatchObject({ value: 1, etag: "1" });
      expect(await state.getItem("bytes")).toEqual({
        key: "bytes",
        value: new Uint8Array([0, 1, 255]),
        etag: "2",
        ttlExpireTime: new Date(end),
      });
      expect(await state.get("text")).toEqual(new TextEncoder().encode("no JSON ä"));
    });

    test("a hash that Dapr wrote is updated and deleted under its version, and not under another", async () => {
      const { raw } = server;
      await raw.hset("orders||k", { data: "1", version: "7", "first-write": "0" });
      await expect(state.set("k", 2, { etag: "8" })).rejects.toMatchObject({ status: 409 });
      expect(await raw.hget("orders||k", "data")).toBe("1");
      expect(await state.set("k", 2, { etag: "7" })).toBe("8");
      expect(await raw.hgetall("orders||k")).toEqual({
        data: "2",
        version: "8",
        "first-write": "0",
      });
      // The flag stays, and binds Dapr's writes, not these.
      expect(await state.set("k", 3)).toBe("9");
      await state.delete("k", { etag: "9" });
      expect(await raw.exists("orders||k")).toBe(0);
    });

    test("a version that nobody's layout has is read byte for byte, and marks no bytes that it does not equal", async () => {
      const { raw } = server;
      await raw.hset("orders||odd", {
        data: "1",
        version: Buffer.from([0xff]),
        bytes: Buffer.from([0xfe]),
      });
      expect(await state.getItem("odd")).toMatchObject({ value: 1, etag: "\u00ff" });
      await raw.hset("orders||odd", { version: Buffer.from([0xef, 0xbb, 0xbf, 0x35]), bytes: "5" });
      expect(await state.getItem("odd")).toMatchObject({ value: 1, etag: "\u00ef\u00bb\u00bf5" });
    });

    test("versions are compared as text, where numbers would lose digits", async () => {
      await server.raw.hset("orders||big", { data: "1", version: "9007199254740993" });
      await expect(state.set("big", 2, { etag: "9007199254740992" })).rejects.toMatchObject({
        kind: "etag-mismatch",
      });
      expect(await state.set("big", 2, { etag: "9007199254740993" })).toMatch(/^\d+$/);
    });

    test("what pillion writes is, field by field, what Dapr writes, and one mark of bytes", async () => {
      const { raw } = server;
      const etag = await state.set("ours", { text: "ä<b>", pi: Math.PI }, { ttlInSeconds: 60 });
      expect(await raw.hgetall("orders||ours")).toEqual({
        data: `{"text":"ä<b>","pi":${Math.PI}}`,
        version: etag,
      });
      const end = Number(await raw.pexpiretime("orders||ours"));
      expect([end % 1000, end > Date.now() + 59_000, end < Date.now() + 62_000]).toEqual([
        0,
        true,
        true,
      ]);
      const bytes = await state.set("ours", new Uint8Array([0, 1, 255]));
      expect(bytes).toBe(String(Number(etag) + 1));
      expect(await raw.hgetallBuffer("orders||ours")).toEqual({
        data: Buffer.from([0, 1, 255]),
        version: Buffer.from(bytes as string),
        bytes: Buffer.from(bytes as string),
      });
      expect(await raw.ttl("orders||ours")).toBe(-1);
      await state.set("ours", 1);
      expect(await raw.hkeys("orders||ours")).not.toContain("bytes");
    });

    test("Dapr's own scripts go on from what pillion wrote", async () => {
      const { raw } = server;
      const etag = (await state.set("both", new Uint8Array([49]))) as string;
      await expect(raw.eval(DAPR_SET, 1, "orders||both", "5", "x", "1")).rejects.toThrow(
        /failed to set key/,
      );
      expect(await raw.eval(DAPR_SET, 1, "orders||both", etag, '{"n":1}', "1")).toBe(
        Number(etag) + 1,
      );
      // The mark of bytes stands there still, for a version that is over.
      expect(await raw.hget("orders||both", "bytes")).toBe(etag);
      expect(await state.getItem("both")).toMatchObject({
        value: { n: 1 },
        etag: String(Number(etag) + 1),
      });
      await expect(raw.eval(DAPR_DELETE, 1, "orders||both", etag)).rejects.toThrow(/to delete/);
      expect(await raw.eval(DAPR_DELETE, 1, "orders||both", String(Number(etag) + 1))).toBe(1);
      expect(await state.get("both")).toBeUndefined();
    });

    test("a string is read without an ETag; first-write and update refuse it, a plain write replaces it", async () => {
      const { raw } = server;
      await raw.set("orders||string", '{"n":1}');
      expect(await state.getItem("string")).toMatchObject({ value: { n: 1 }, etag: undefined });
      for (const options of [{ concurrency: "first-write" }, { etag: "1" }] as const) {
        await expect(state.set("string", 2, options)).rejects.toMatchObject({ status: 409 });
      }
      await expect(state.update("string", () => 3)).rejects.toMatchObject({ status: 400 });
      expect(await raw.get("orders||string")).toBe('{"n":1}');
      const etag = await state.set("string", 2);
      expect(await raw.hgetall("orders||string")).toEqual({ data: "2", version: etag });
    });

    test("other types, and hashes of others, are named as corrupt, alone and among many", async () => {
      const { raw } = server;
      await raw.lpush("orders||list", "1");
      await raw.hset("orders||half", { data: "1" });
      await state.set("sound", 1);
      const list = /key orders\|\|list is a list, not an item of Dapr's/;
      const half = /key orders\|\|half is a hash without data or version/;
      await expect(state.get("list")).rejects.toMatchObject({
        kind: "corrupt",
        message: expect.stringMatching(list),
      });
      await expect(state.get("half")).rejects.toMatchObject({
        kind: "corrupt",
        message: expect.stringMatching(half),
      });
      const items = await state.getBulk(["list", "sound", "half", "missing"]);
      expect(items.map(({ value, error }) => error?.kind ?? value)).toEqual([
        "corrupt",
        1,
        "corrupt",
        undefined,
      ]);
      // Dapr's write replaces what is of another type.
      await state.set("list", 1);
      expect(await raw.type("orders||list")).toBe("hash");
    });

    test("a transaction with a mismatch on its last key writes nothing", async () => {
      const { raw } = server;
      await raw.set("orders||replaced", "kept");
      await raw.hset("orders||guard", { data: "1", version: "1" });
      const error = await failureOf(
        state.transaction([
          { operation: "upsert", key: "replaced", value: 1 },
          { operation: "upsert", key: "new", value: 1 },
          { operation: "delete", key: "sound" },
          { operation: "upsert", key: "guard", value: 2, etag: "2" },
        ]),
      );
      expect(error).toMatchObject({
        kind: "etag-mismatch",
        message: expect.stringContaining("orders||guard"),
      });
      expect([await raw.get("orders||replaced"), await raw.exists("orders||new")]).toEqual([
        "kept",
        0,
      ]);
    });

    test("ttlInSeconds is the time to live of writes that name none", async () => {
      await using other = runtimeOn({ redisHost: server.address, ttlInSeconds: 100 });
      const store = other.blocks.state("store");
      await store.set("default", 1);
      await store.set("own", 1, { ttlInSeconds: 10 });
      await store.transaction([{ operation: "upsert", key: "third", value: 1 }]);
      const left = await Promise.all(
        ["default", "own", "third"].map((key) => server.raw.ttl(`orders||${key}`)),
      );
      expect(left.map((seconds) => Math.round(seconds / 10))).toEqual([10, 1, 10]);
    });

    test("keys, prefixes and values that look like patterns or code are text", async () => {
      const names = [
        "*",
        "?",
        "[a]",
        "\\",
        "a*b",
        "\"); return redis.call('FLUSHALL') --",
        "\r\nFLUSHALL\r\n",
        "{x}",
        "^a",
        "a-b",
      ];
      for (const name of names) await state.set(`odd ${name}`, name);
      for (const name of names) {
        expect(await state.get(`odd ${name}`)).toBe(name);
        const { keys } = await state.list({ prefix: `odd ${name}` });
        expect(keys).toEqual(
          names.filter((other) => other.startsWith(name)).map((other) => `odd ${other}`),
        );
      }
      await expect(state.set("odd *", 1, { etag: "1' or '1" })).rejects.toMatchObject({
        kind: "etag-invalid",
        status: 400,
      });
    });

    test("keys are listed in the order of their bytes, without foreign types and names that are no text", async () => {
      const { raw } = server;
      const names = ["p-\u{1f40e}", "p-\uffee", "p-z", "p-a", "p-ä"];
      for (const name of names) await state.set(name, 1);
      await raw.lpush("orders||p-list", "1");
      await raw.set("orders||p-string", "1");
      await raw.hset(Buffer.from([...Buffer.from("orders||p-"), 0xff]), {
        data: "1",
        version: "1",
      });
      const all: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await state.list({ prefix: "p-", limit: 2, cursor });
        all.push(...page.keys);
        cursor = page.cursor;
      } while (cursor);
      const sorted = [...names, "p-string"].sort((a, b) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      );
      expect(all).toEqual(sorted);
    });

    test("long keys and large values come back whole, and what is too large is refused", async () => {
      const key = "k".repeat(1_000_000);
      await state.set(key, 1);
      expect(await state.get(key)).toBe(1);
      const text = "0123456789".repeat(1_000_000);
      await state.set("large", text);
      expect(await state.get("large")).toBe(text);
      // As text it is more than ioredis's commands hold as text.
      const long = "ä".repeat(2 ** 24);
      await state.set("large", long);
      expect((await state.get<string>("large"))?.length).toBe(long.length);
      await expect(state.set("large", new Uint8Array(2 ** 29 + 1))).rejects.toMatchObject({
        kind: "invalid",
        message: expect.stringMatching(/a value may have 512 MB/),
      });
      // A server that takes less says so by cutting the connection.
      await server.raw.config("SET", "proto-max-bulk-len", 1_048_576);
      const error = await failureOf(state.set("large", text));
      await server.raw.config("SET", "proto-max-bulk-len", 536_870_912);
      expect(["invalid", "unavailable"]).toContain(error.kind);
      expect((await state.get<string>("large"))?.length).toBe(long.length);
    });
  });
}

test("an abort before anything is sent sends nothing", async () => {
  const store = storeOn({ redisHost: "127.0.0.1:9" });
  const reason = new Error("gone");
  const call = callOf({ signal: AbortSignal.abort(reason) });
  expect(await failureOf(store.get("k", {}, call))).toBe(reason);
  await store.close?.();
});
