import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { virtualClock } from "../../src/testing.ts";
import type { DynamoDB } from "../harness/dynamodb.ts";
import {
  absent,
  component,
  type Emulators,
  emulators,
  failureOf,
  startUnlessAbsent,
  stateOn,
  type Transports,
} from "./_beds.ts";

/** A whole second, so that expiry times in literals are exact. */
const start = 1_790_000_000_000;

for (const emulator of emulators) {
  const reason = absent(emulator);
  describe.skipIf(reason)(reason ? `${emulator} (skipped: ${reason})` : emulator, () => {
    for (const transport of ["light", "sdk"] as const)
      describe(transport, () => cases(emulator, transport));
  });
}

function cases(emulator: Emulators, transport: Transports): void {
  let server: DynamoDB;
  beforeAll(async () => {
    server = (await startUnlessAbsent(emulator)) as DynamoDB;
    await server.createTable("orders", { ttl: "expires" });
    await server.createTable("own", { partitionKey: "pk" });
  });
  afterAll(() => server.stop());

  const clock = virtualClock(start);
  const open = (options = {}) =>
    stateOn(
      component(transport, server.endpoint, {
        table: "orders",
        ttlAttributeName: "expires",
        ...options,
      }),
      { clock },
    );
  const put = (Item: object) => server.raw("PutItem", { TableName: "orders", Item });
  const read = async (key: string, TableName = "orders", attribute = "key") =>
    (
      await server.raw<{ Item?: object }>("GetItem", {
        TableName,
        Key: { [attribute]: { S: key } },
      })
    ).Item;
  const now = () => Math.floor(clock.now() / 1000);

  test("writes Dapr's item, attribute by attribute", async () => {
    const state = open();
    const etag = await state.set("json", { a: ["ü", 1.5] });
    expect(etag).toMatch(/^(0|[1-9a-f][0-9a-f]{0,15})$/);
    expect(await read("orders||json")).toEqual({
      key: { S: "orders||json" },
      value: { S: '{"a":["ü",1.5]}' },
      etag: { S: etag },
    });
    const bytes = await state.set("bytes", Uint8Array.of(0, 127, 255), { ttlInSeconds: 60 });
    expect(await read("orders||bytes")).toEqual({
      key: { S: "orders||bytes" },
      value: { B: "AH//" },
      etag: { S: bytes },
      expires: { N: String(now() + 60) },
    });
    await state.set("bytes", Uint8Array.of(1));
    expect(await read("orders||bytes")).not.toHaveProperty("expires");
  });

  test("an expiry is rounded up, never early", async () => {
    const state = open();
    clock.advance(1);
    await state.set("rounded", 1, { ttlInSeconds: 1 });
    expect(await read("orders||rounded")).toMatchObject({ expires: { N: String(now() + 2) } });
    clock.advance(1998);
    expect(await state.get("rounded")).toBe(1);
    clock.advance(1);
    expect(await state.get("rounded")).toBeUndefined();
  });

  test("a transaction writes the same item", async () => {
    const state = open();
    await state.transaction([
      { operation: "upsert", key: "tx", value: Uint8Array.of(255), ttlInSeconds: 5 },
    ]);
    const item = (await read("orders||tx")) as { etag: { S: string } };
    expect(item.etag.S).toMatch(/^[0-9a-f]{1,16}$/);
    expect(item).toEqual({
      key: { S: "orders||tx" },
      value: { B: "/w==" },
      etag: item.etag,
      expires: { N: String(now() + 5) },
    });
  });

  test("reads and updates what daprd wrote, under its ETag", async () => {
    const state = open();
    await put({
      key: { S: "orders||dapr" },
      value: { S: '{"n":1}' },
      etag: { S: "3f2a" },
      expires: { N: String(now() + 9) },
    });
    expect(await state.getItem("dapr")).toEqual({
      key: "dapr",
      value: { n: 1 },
      etag: "3f2a",
      ttlExpireTime: new Date((now() + 9) * 1000),
    });
    await expect(state.set("dapr", 2, { etag: "3F2A" })).rejects.toMatchObject({
      kind: "etag-mismatch",
      status: 409,
    });
    const etag = await state.set("dapr", 2, { etag: "3f2a" });
    expect(await read("orders||dapr")).toEqual({
      key: { S: "orders||dapr" },
      value: { S: "2" },
      etag: { S: etag },
    });
    await put({ key: { S: "orders||binary" }, value: { B: "3q2+7w==" }, etag: { S: "0" } });
    expect(await state.get("binary")).toEqual(Uint8Array.of(0xde, 0xad, 0xbe, 0xef));
    await state.delete("binary", { etag: "0" });
    expect(await read("orders||binary")).toBeUndefined();
  });

  test("an item that another program wrote without an ETag has none, and is there", async () => {
    const state = open();
    await put({ key: { S: "orders||bare" }, value: { S: "1" } });
    expect(await state.getItem("bare")).toMatchObject({ value: 1, etag: undefined });
    await expect(state.set("bare", 2, { concurrency: "first-write" })).rejects.toMatchObject({
      kind: "etag-mismatch",
    });
    await put({ key: { S: "orders||other" }, value: { M: {} }, etag: { S: "1" } });
    await expect(state.get("other")).rejects.toMatchObject({ kind: "corrupt", status: 500 });
  });

  test("an expired item that is still stored is absent everywhere", async () => {
    const state = open({ scan: true });
    const expired = (key: string) =>
      put({
        key: { S: `orders||${key}` },
        value: { S: "1" },
        etag: { S: "aa" },
        expires: { N: String(now()) },
      });
    for (const key of ["x1", "x2", "x3", "x4", "x5"]) await expired(key);
    await put({
      key: { S: "orders||x6" },
      value: { S: "6" },
      etag: { S: "aa" },
      expires: { N: String(now() + 1) },
    });
    expect(await state.get("x1")).toBeUndefined();
    expect((await state.getBulk(["x1", "x6"])).map(({ value }) => value)).toEqual([undefined, 6]);
    expect(await state.list({ prefix: "x" })).toEqual({ keys: ["x6"], cursor: undefined });
    await expect(state.set("x1", 2, { etag: "aa" })).rejects.toMatchObject({
      kind: "etag-mismatch",
    });
    await expect(state.delete("x1", { etag: "aa" })).rejects.toMatchObject({
      kind: "etag-mismatch",
    });
    const stale = [{ operation: "upsert", key: "x1", value: 2, etag: "aa" }] as const;
    await expect(state.transaction(stale)).rejects.toMatchObject({ kind: "etag-mismatch" });
    expect(await read("orders||x1")).toMatchObject({ etag: { S: "aa" } });
    await state.set("x2", 2, { concurrency: "first-write" });
    await state.transaction([
      { operation: "upsert", key: "x3", value: 3, concurrency: "first-write" },
    ]);
    expect([await state.get("x2"), await state.get("x3")]).toEqual([2, 3]);
    await state.delete("x4");
    expect(await read("orders||x4")).toBeUndefined();
  });

  test("a table with a key of another name, without a time to live", async () => {
    const state = open({
      table: "own",
      partitionKey: "pk",
      ttlAttributeName: undefined,
      keyPrefix: "none",
      scan: true,
    });
    const etag = await state.set("a", 1, { concurrency: "first-write" });
    expect(await read("a", "own", "pk")).toEqual({
      pk: { S: "a" },
      value: { S: "1" },
      etag: { S: etag },
    });
    expect((await state.getBulk(["a", "b", "a"])).map(({ value }) => value)).toEqual([
      1,
      undefined,
      1,
    ]);
    await state.transaction([
      { operation: "delete", key: "a", etag },
      { operation: "upsert", key: "b", value: 2 },
    ]);
    expect((await state.list()).keys).toEqual(["b"]);
    await expect(state.set("a", 1, { ttlInSeconds: 1 })).rejects.toMatchObject({
      kind: "unsupported",
    });
  });

  test("a failed transaction names the keys and writes nothing", async () => {
    const state = open();
    const etag = await state.set("t1", 1);
    const upsert = { operation: "upsert", key: "t2", value: 2 } as const;
    for (const bad of [
      { operation: "upsert", key: "t1", value: 2, etag: "bad" },
      { operation: "delete", key: "t1", etag: "bad" },
      { operation: "upsert", key: "t1", value: 2, concurrency: "first-write" },
    ] as const) {
      const error = await failureOf(state.transaction([upsert, bad]));
      expect(error).toMatchObject({
        code: "ERR_STATE_TRANSACTION",
        kind: "etag-mismatch",
        status: 500,
      });
      expect(error.message).toMatch(/key orders\|\|t1 .*nothing was written/);
      expect(error.message).not.toContain("t2");
    }
    expect([await state.getItem("t1"), await state.get("t2")]).toMatchObject([
      { value: 1, etag },
      undefined,
    ]);
  });

  test("a transaction of more than 100 operations is refused, not split", async () => {
    const operations = Array.from(
      { length: 101 },
      (_, index) => ({ operation: "upsert", key: `op${index}`, value: 1 }) as const,
    );
    const state = open();
    await expect(state.transaction(operations)).rejects.toMatchObject({
      code: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
    });
    expect(await state.get("op0")).toBeUndefined();
    await state.transaction(operations.slice(1));
    expect(await state.get("op100")).toBe(1);
  });

  test("what does not fit is refused as invalid and changes nothing", async () => {
    const state = open();
    await state.set("big", 1);
    const big = "x".repeat(400 * 1024);
    await expect(state.set("big", big)).rejects.toMatchObject({
      code: "ERR_STATE_SAVE",
      kind: "invalid",
      status: 400,
    });
    const parts = Array.from(
      { length: 12 },
      (_, index) =>
        ({ operation: "upsert", key: `part${index}`, value: "x".repeat(399_000) }) as const,
    );
    const error = await failureOf(state.transaction(parts));
    expect(error).toMatchObject({ kind: "invalid" });
    expect(error.message).toContain("nothing was written");
    const one = await failureOf(
      state.transaction([{ operation: "upsert", key: "big", value: big }, ...parts.slice(0, 1)]),
    );
    expect(one).toMatchObject({ kind: "invalid" });
    expect(one.message).toContain("nothing was written");
    expect([await state.get("big"), await state.get("part0")]).toEqual([1, undefined]);
  });

  test("a missing table is a configuration error with the resource to paste", async () => {
    const state = open({ table: "nowhere", partitionKey: "pk", ttlAttributeName: "ends" });
    for (const call of [
      () => state.get("a"),
      () => state.getBulk(["a"]),
      () => state.set("a", 1),
      () => state.delete("a"),
      () => state.transaction([{ operation: "delete", key: "a" }]),
    ]) {
      const error = await failureOf(call());
      expect(error).toMatchObject({ kind: "config", status: 500 });
      for (const part of [
        "component statestore",
        "table nowhere",
        "(setting table)",
        "StatestoreTable:",
        "TableName: nowhere",
        "{ AttributeName: pk, KeyType: HASH }",
        "{ AttributeName: ends, Enabled: true }",
        "PAY_PER_REQUEST",
      ]) {
        expect(error.message).toContain(part);
      }
    }
  });

  test("a table whose key has another name is a configuration error", async () => {
    const state = open({ table: "own" });
    for (const call of [() => state.get("a"), () => state.set("a", 1), () => state.delete("a")]) {
      await expect(call()).rejects.toMatchObject({
        kind: "config",
        message: expect.stringContaining("partitionKey"),
      });
    }
  });

  test("listing goes from page to page over everything under the prefix, once", async () => {
    await server.createTable("listed");
    const state = open({ table: "listed", ttlAttributeName: undefined, scan: true });
    const keys = Array.from({ length: 23 }, (_, index) => `list-${index}`);
    await state.setBulk(keys.map((key) => ({ key, value: 1 })));
    await state.set("unlisted", 1);
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await state.list({ prefix: "list-", limit: 5, cursor });
      expect(page.keys.length).toBeLessThanOrEqual(5);
      found.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(found.toSorted()).toEqual(keys.toSorted());
    await state.delete("unlisted");
    // As many as there are: the page says that it is the last.
    expect((await state.list({ limit: 23 })).cursor).toBeUndefined();
    expect((await state.list({ limit: 22 })).cursor).toBeDefined();
  });
}
