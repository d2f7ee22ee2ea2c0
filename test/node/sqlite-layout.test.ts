import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beforeEach, expect, test } from "vitest";
import * as sqlite from "../../bindings/node/sqlite.ts";
import type { Runtime } from "../../src/runtime.ts";
import { createRuntime } from "../../src/runtime.ts";
import { virtualClock } from "../../src/testing.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";

// What Dapr's own store creates and writes, as raw SQL by a second client.
const DAPR_SCHEMA = `
  CREATE TABLE metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL);
  INSERT INTO metadata VALUES ('migrations', '1'), ('last-cleanup', '2026-01-01 00:00:00');
  CREATE TABLE state (
    key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL, etag TEXT NOT NULL,
    expiration_time TIMESTAMP DEFAULT NULL, update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
  )`;
const ETAG = "6f2c8f3e-6a0e-4d0c-9a55-0f6f6a0d9b11";

const clock = virtualClock(Date.parse("2026-11-24T10:00:00.400Z"));
let raw: DatabaseSync;
let runtime: Runtime;

beforeEach(() => {
  const file = join(newFolder("layout"), "dapr.db");
  raw = new DatabaseSync(file);
  raw.exec(DAPR_SCHEMA);
  runtime = createRuntime({
    id: "orders",
    components: { store: sqlite.state({ connectionString: file }) },
    host: processHost("node", {
      clock,
      random: { uuid: () => "00000000-0000-4000-8000-000000000001", number: Math.random },
    }),
  });
});

const insert = (key: string, value: string, binary: 0 | 1, expires: string | null) =>
  raw
    .prepare(
      "INSERT INTO state (key, value, is_binary, etag, expiration_time) VALUES (?, ?, ?, ?, ?)",
    )
    .run(key, value, binary, ETAG, expires);
const row = (key: string) => raw.prepare("SELECT * FROM state WHERE key = ?").get(key);

test("rows that Dapr wrote are read, JSON and binary, with their ETag and expiry", async () => {
  insert("orders||json", '{"a":"x\\u003cy","n":2.5e-9}', 0, null);
  insert("orders||bytes", "AAH/", 1, "2026-11-24 10:00:05");
  const state = runtime.blocks.state("store");
  expect(await state.getItem("json")).toEqual({
    key: "json",
    value: { a: "x<y", n: 2.5e-9 },
    etag: ETAG,
    ttlExpireTime: undefined,
  });
  expect(await state.getItem("bytes")).toEqual({
    key: "bytes",
    value: new Uint8Array([0, 1, 255]),
    etag: ETAG,
    ttlExpireTime: new Date("2026-11-24T10:00:05Z"),
  });
});

test("a row that Dapr wrote is updated and deleted under its ETag, and not under another", async () => {
  insert("orders||k", "1", 0, null);
  const state = runtime.blocks.state("store");
  await expect(state.set("k", 2, { etag: "another" })).rejects.toMatchObject({ status: 409 });
  expect(row("orders||k")?.value).toBe("1");
  const etag = await state.set("k", 2, { etag: ETAG });
  expect(row("orders||k")).toMatchObject({ value: "2", etag });
  await state.delete("k", { etag });
  expect(row("orders||k")).toBeUndefined();
});

test("a row whose time is over is absent, and one whose time is not is there", async () => {
  insert("orders||over", "1", 0, "2026-11-24 10:00:00");
  insert("orders||left", "1", 0, "2026-11-24 10:00:01");
  const state = runtime.blocks.state("store");
  expect(await state.get("over")).toBeUndefined();
  expect(await state.get("left")).toBe(1);
  await expect(state.set("over", 2, { etag: ETAG })).rejects.toMatchObject({
    kind: "etag-mismatch",
  });
  await state.set("over", 3, { concurrency: "first-write" });
  expect(row("orders||over")).toMatchObject({ value: "3", expiration_time: null });
});

test("what pillion writes is, column by column, what Dapr writes", async () => {
  const state = runtime.blocks.state("store");
  await state.set("json", { text: "ä<b>", n: 1 });
  await state.set("bytes", new Uint8Array([0, 1, 255]), { ttlInSeconds: 60 });
  expect(row("orders||json")).toEqual({
    key: "orders||json",
    value: '{"text":"ä<b>","n":1}',
    is_binary: 0,
    etag: "00000000-0000-4000-8000-000000000001",
    expiration_time: null,
    update_time: "2026-11-24 10:00:00",
  });
  expect(row("orders||bytes")).toMatchObject({
    value: "AAH/",
    is_binary: 1,
    expiration_time: "2026-11-24 10:01:01",
  });
});

test("the tables that pillion makes are the ones that Dapr makes", async () => {
  const file = join(newFolder("layout"), "ours.db");
  const ours = createRuntime({
    id: "orders",
    components: { store: sqlite.state({ connectionString: file }) },
    host: processHost("node"),
  });
  await ours.blocks.state("store").set("k", 1);
  await ours.close();
  const other = new DatabaseSync(file);
  const columns = (database: DatabaseSync, table: string) =>
    database
      .prepare(
        `SELECT name, lower(type) AS type, "notnull", dflt_value, pk FROM pragma_table_info('${table}')`,
      )
      .all();
  for (const table of ["state", "metadata"])
    expect(columns(other, table)).toEqual(columns(raw, table));
  expect(other.prepare("SELECT value FROM metadata WHERE key = 'migrations'").get()).toEqual({
    value: "1",
  });
});

test("expired rows, and no others, are removed by a write once the cleanup interval is over", async () => {
  insert("orders||over", "1", 0, "2026-11-24 09:00:00");
  insert("orders||ends", "1", 0, "2026-11-24 11:30:00");
  insert("orders||stays", "1", 0, null);
  const moving = virtualClock(clock.now());
  const components = {
    store: sqlite.state({
      connectionString: raw.location() as string,
      cleanupInterval: "1h",
    }),
  };
  const cleaning = createRuntime({
    id: "orders",
    components,
    host: processHost("node", { clock: moving }),
  });
  const state = cleaning.blocks.state("store");
  const keys = () =>
    raw
      .prepare("SELECT key FROM state ORDER BY key")
      .all()
      .map(({ key }) => key);
  await state.set("k", 1);
  expect(keys()).toEqual(["orders||ends", "orders||k", "orders||stays"]);
  insert("orders||over", "1", 0, "2026-11-24 09:00:00");
  moving.advance(3_599_000);
  await state.set("k", 1);
  expect(keys()).toContain("orders||over");
  moving.advance(1000);
  await state.set("k", 1);
  expect(keys()).toEqual(["orders||ends", "orders||k", "orders||stays"]);
});

test("a commit is on the disk when it is acknowledged", async () => {
  const { native } = runtime.blocks.state("store");
  const pragma = native<DatabaseSync>().prepare("PRAGMA synchronous").get();
  expect(pragma).toEqual({ synchronous: 2 });
});
