import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder, root } from "../harness/folder.ts";
import { type RunningMiniflare, startMiniflare } from "../harness/miniflare.ts";
import { passAt, rawAt, storeAt, thrownBy } from "./_drive.ts";

let workers: RunningMiniflare;
const url = () => workers.urls.main as string;
const peer = () => workers.urls.peer as string;
const store = (name?: string) => storeAt(url(), name);
const sql = async (query: string, ...values: unknown[]) =>
  (await rawAt(url()).sql?.(query, ...values)) as Record<string, unknown>[];

beforeAll(async () => {
  const entry = `${root}/test/workers/_d1-driven-worker.ts`;
  workers = await startMiniflare({
    workers: { main: entry, peer: entry },
    folder: newFolder("miniflare"),
    d1: ["DB"],
  });
});
afterAll(() => workers?.stop());

describe("the table", () => {
  test("is Dapr's, and an exported database is one that the SQLite component reads", async () => {
    await store().set("json", { a: "ü" }, { ttlInSeconds: 60 });
    await store().set("bytes", new Uint8Array([0, 255]));
    const path = join(newFolder("export"), "state.db");
    const file = new DatabaseSync(path);
    const tables = "SELECT name, sql FROM sqlite_schema WHERE name IN ('state', 'metadata')";
    for (const { name, sql: definition } of await sql(tables)) {
      file.exec(definition as string);
      for (const row of await sql(`SELECT * FROM ${name}`)) {
        const marks = Object.keys(row).map(() => "?");
        file
          .prepare(`INSERT INTO ${name} (${Object.keys(row)}) VALUES (${marks})`)
          .run(...(Object.values(row) as string[]));
      }
    }
    expect(file.prepare("SELECT * FROM metadata").all()).toEqual([
      { key: "migrations", value: "1" },
    ]);
    file.close();
    const runtime = createRuntime({
      id: "orders",
      components: { file: sqlite.state({ connectionString: path }) },
      host: processHost("node"),
    });
    const exported = runtime.blocks.state("file");
    expect(await exported.getItem("json")).toEqual(await store().getItem("json"));
    expect(await exported.get("bytes")).toEqual(new Uint8Array([0, 255]));
    await runtime.close();
  });

  test("holds text for JSON and bare base64 for bytes, in columns of the same names", async () => {
    await store().set("bytes", new Uint8Array([1, 2, 255]));
    const [row] = await sql("SELECT * FROM state WHERE key = ?", "orders||bytes");
    expect(row).toMatchObject({ value: "AQL/", is_binary: 1, expiration_time: null });
    expect(row?.update_time).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    const etag = await store().set("json", [1], { ttlInSeconds: 5 });
    const [json] = await sql("SELECT * FROM state WHERE key = ?", "orders||json");
    expect(json).toMatchObject({ value: "[1]", is_binary: 0, etag });
    expect(json?.expiration_time).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });

  test("gives what Dapr wrote", async () => {
    const insert = "INSERT INTO state (key, value, is_binary, etag, expiration_time) VALUES";
    await sql(`${insert} ('orders||theirs', '{"b":"\\u003c"}', 0, 'e-1', NULL)`);
    await sql(`${insert} ('orders||blob', '/wA=', 1, 'e-2', '2999-01-01 00:00:00')`);
    await sql(`${insert} ('orders||gone', '1', 0, 'e-3', '2001-01-01 00:00:00')`);
    expect(await store().getItem("theirs")).toMatchObject({ value: { b: "<" }, etag: "e-1" });
    expect(await store().getItem("blob")).toMatchObject({
      value: new Uint8Array([255, 0]),
      ttlExpireTime: new Date("2999-01-01T00:00:00Z"),
    });
    expect(await store().get("gone")).toBeUndefined();
    await store().set("theirs", 2, { etag: "e-1" });
    expect(await store().get("theirs")).toBe(2);
  });

  test("with bytes that are no base64 is corrupt for that key alone", async () => {
    await sql(
      "INSERT INTO state (key, value, is_binary, etag) VALUES ('orders||odd', '!', 1, 'e')",
    );
    await store().set("even", 1);
    expect(await thrownBy(store().get("odd"))).toMatchObject({ kind: "corrupt" });
    const [odd, even] = await store().getBulk(["odd", "even"]);
    expect(odd?.error).toBeDefined();
    expect(even?.value).toBe(1);
  });

  test("may have a word of SQL's for its name, beside another store's", async () => {
    await store("word").set("k", "in order");
    await store().set("k", "in state");
    expect(await store("word").get("k")).toBe("in order");
    expect(await sql(`SELECT value FROM "order"`)).toEqual([{ value: '"in order"' }]);
  });

  test("is made again when somebody drops it, for a transaction as well", async () => {
    await store("dropped").set("k", 1);
    await sql("DROP TABLE dropped");
    expect(await store("dropped").get("k")).toBeUndefined();
    await sql("DROP TABLE dropped");
    await store("dropped").transaction([
      { operation: "upsert", key: "a", value: 1, concurrency: "first-write" },
      { operation: "delete", key: "b" },
    ]);
    expect(await store("dropped").get("a")).toBe(1);
  });

  test("of another program is a configuration error, and stays as it is", async () => {
    await sql("CREATE TABLE IF NOT EXISTS customers (key TEXT, name TEXT)");
    const { get, set } = store("foreign");
    for (const attempt of [() => get("k"), () => set("k", 1)]) {
      const error = await thrownBy(attempt());
      expect(error).toMatchObject({ kind: "config" });
      expect(error.message).toMatch(/component foreign: .*tableName/);
    }
    expect(await sql("SELECT * FROM customers")).toEqual([]);
  });

  test("of a newer version is refused, and no table is made beside it", async () => {
    await sql("CREATE TABLE newer_metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL)");
    await sql("INSERT INTO newer_metadata VALUES ('migrations', '2')");
    const error = await thrownBy(store("newer").set("k", 1));
    expect(error).toMatchObject({ kind: "config" });
    expect(error.message).toContain("upgrade pillion");
    expect(await sql("SELECT 1 FROM sqlite_schema WHERE name = 'newer'")).toEqual([]);
  });
});

describe("SQL in keys and ETags", () => {
  test("stays text", async () => {
    const key = `'; DROP TABLE state; --`;
    await store().set(key, 1);
    expect(await store().get(key)).toBe(1);
    expect(await store().getBulk([key, `"] x`])).toMatchObject([{ value: 1 }, {}]);
    const stale = { operation: "upsert", key, value: 2, etag: `' OR '1'='1` } as const;
    const other = { operation: "upsert", key: "other", value: 2 } as const;
    const error = await thrownBy(store().transaction([stale, other]));
    expect(error).toMatchObject({ kind: "etag-mismatch" });
    expect(await store().getBulk([key, "other"])).toMatchObject([{ value: 1 }, { key: "other" }]);
    expect((await store().list({ prefix: "'; DROP" })).keys).toEqual([key]);
  });

  test("a condition whose key looks like the guard's own text is told apart", async () => {
    await store().set("'pillion 0'", 1);
    const error = await thrownBy(
      store().transaction([
        { operation: "upsert", key: "free", value: 1, concurrency: "first-write" },
        { operation: "upsert", key: "'pillion 0'", value: 1, concurrency: "first-write" },
      ]),
    );
    expect(error).toMatchObject({ kind: "etag-mismatch" });
    expect(error.message).toContain("orders||'pillion 0' was written");
  });
});

describe("limits", () => {
  test("an item of 2 MB is refused before D1 sees it, one just below is not", async () => {
    const fits = "x".repeat(1_999_800);
    await store().set("large", fits);
    expect(await store().get("large")).toBe(fits);
    const value = "x".repeat(2_000_000);
    const { set, transaction } = store();
    for (const attempt of [
      () => set("large", value),
      () => set("large", "ü".repeat(1_000_000)),
      () => set("large", new Uint8Array(1_500_000)),
      () => set("k".repeat(2_000_000), 1),
      () =>
        transaction([
          { operation: "upsert", key: "beside", value: 1 },
          { operation: "upsert", key: "large", value },
        ]),
    ]) {
      const error = await thrownBy(attempt());
      expect(error).toMatchObject({ kind: "invalid" });
      expect(error.message.length).toBeLessThan(500);
    }
    expect(await store().get("large")).toBe(fits);
    expect(await store().get("beside")).toBeUndefined();
  });

  test("keys beyond what one text may hold are refused", async () => {
    const keys = Array.from({ length: 30 }, (_, index) => `${index}`.padEnd(100_000, "k"));
    expect(await thrownBy(store().getBulk(keys))).toMatchObject({ kind: "invalid" });
    const gone = keys.map((key) => ({ operation: "delete", key }) as const);
    expect(await thrownBy(store().transaction(gone))).toMatchObject({ kind: "invalid" });
  });

  test("a transaction takes 998 operations with conditions, and no more", async () => {
    const operations = Array.from({ length: 999 }, (_, index) => ({
      operation: "upsert" as const,
      key: `many-${index}`,
      value: index,
      concurrency: "first-write" as const,
    }));
    expect(await thrownBy(store().transaction(operations))).toMatchObject({
      code: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
    });
    expect(await store().get("many-0")).toBeUndefined();
    await store().transaction(operations.slice(1));
    expect(await store().get("many-998")).toBe(998);
  });

  test("1000 keys are read in one query of one parameter", async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `read-${index}`);
    await store().set("read-999", "last");
    expect((await store().getBulk(keys)).at(-1)).toMatchObject({ key: "read-999", value: "last" });
  });
});

describe("two Workers on one database", () => {
  test("lose no update of 64 writers", async () => {
    const both = [url(), peer()];
    const writers = Array.from({ length: 64 }, async (_, index) => {
      const path = `${both[index % 2]}/count/statestore/4`;
      const response = await fetch(path, { method: "POST" });
      expect(await response.text()).toBe("counted");
    });
    await Promise.all(writers);
    expect(await store().get("counter")).toBe(64 * 4);
  });

  test("let one of 32 that insert win, in a transaction as well", async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 32 }, (_, index) => {
        const state = storeAt(index % 2 ? url() : peer());
        if (index % 4 < 2) return state.set("one", index, { concurrency: "first-write" });
        return state.transaction([
          { operation: "upsert", key: "one", value: index, concurrency: "first-write" },
          { operation: "upsert", key: `won-${index}`, value: index },
        ]);
      }),
    );
    const winners = outcomes.flatMap(({ status }, index) =>
      status === "fulfilled" ? [index] : [],
    );
    expect(winners).toEqual([await store().get("one")]);
    const beside = (await store().list({ prefix: "won-" })).keys;
    expect(beside).toEqual((winners[0] as number) % 4 < 2 ? [] : [`won-${winners[0]}`]);
  });
});

describe("cleanupInterval", () => {
  test("removes expired rows after a write, and not again before its time", async () => {
    const rows = () => sql("SELECT key FROM cleaned ORDER BY key");
    await store("cleaned").set("first", 1);
    await store("cleaned").set("ends", 1, { ttlInSeconds: 1 });
    await passAt(url(), 2000);
    await store("cleaned").set("early", 1);
    expect(await rows()).toHaveLength(3);
    await passAt(url(), 61_000);
    await store("cleaned").set("late", 1);
    await expect
      .poll(rows)
      .toEqual(["early", "first", "late"].map((key) => ({ key: `orders||${key}` })));
    const last = await sql("SELECT value FROM metadata WHERE key = 'last-cleanup'");
    expect(last).toHaveLength(1);
    // Another isolate, which has not cleaned up itself, minds the time of the last one.
    await store("cleaned").set("ends", 1, { ttlInSeconds: 1 });
    await passAt(peer(), 66_000);
    await storeAt(peer(), "cleaned").set("other", 1);
    await storeAt(peer(), "cleaned").set("another", 1);
    expect(await rows()).toHaveLength(6);
  });
});
