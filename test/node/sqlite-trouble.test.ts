import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";

function stateOn(connectionString: string, more: Partial<Parameters<typeof sqlite.state>[0]> = {}) {
  const component = sqlite.state({ connectionString, ...more });
  return createRuntime({
    id: "app",
    components: { store: component },
    host: processHost("node"),
  }).blocks.state("store");
}

test("a file that another process holds makes a call wait, and then fail as unavailable", async () => {
  const file = join(newFolder(), "held.db");
  const state = stateOn(file, { busyTimeout: 0.1 });
  await state.set("k", 1);
  const holder = new DatabaseSync(file);
  holder.exec("BEGIN IMMEDIATE");
  await expect(state.set("k", 2)).rejects.toMatchObject({
    code: "ERR_STATE_SAVE",
    kind: "unavailable",
    retry: true,
    message: expect.stringMatching(
      /component store: .*held\.db is locked by another process.*busyTimeout/,
    ),
  });
  const waiting = stateOn(file, { busyTimeout: 5 }).set("k", 3);
  holder.exec("COMMIT");
  await waiting;
  expect(await state.get("k")).toBe(3);
});

test("while a call waits for the file, the process goes on", async () => {
  const file = join(newFolder(), "held.db");
  const state = stateOn(file, { busyTimeout: 0.3 });
  await state.set("k", 1);
  const holder = new DatabaseSync(file);
  holder.exec("BEGIN IMMEDIATE");
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  await expect(state.set("k", 2)).rejects.toMatchObject({ kind: "unavailable" });
  clearInterval(timer);
  holder.exec("ROLLBACK");
  expect(turns).toBeGreaterThan(5);
});

test("a file opened read-only is read, and a write says what to change", async () => {
  const file = join(newFolder(), "readonly.db");
  const writer = stateOn(file, { disableWAL: true });
  await writer.set("k", 1);
  const before = readFileSync(file);
  const state = stateOn(`file:${file}?mode=ro`, { disableWAL: true });
  expect(await state.get("k")).toBe(1);
  for (const work of [() => state.set("k", 2), () => state.delete("k")]) {
    await expect(work()).rejects.toMatchObject({
      kind: "config",
      message: expect.stringMatching(
        /component store: .*readonly\.db is read-only.*connectionString/,
      ),
    });
  }
  await expect(state.transaction([{ operation: "delete", key: "k" }])).rejects.toMatchObject({
    code: "ERR_STATE_TRANSACTION",
    kind: "config",
  });
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a folder without permission is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pillion-no-"));
  chmodSync(folder, 0o555);
  // Root may write everywhere, so it is somebody else for the length of this test.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await expect(stateOn(join(folder, "no.db")).set("k", 1)).rejects.toMatchObject({
      kind: "config",
      message: expect.stringMatching(
        /component store: .*no\.db cannot be opened.*connectionString/,
      ),
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
    rmSync(folder, { recursive: true });
  }
});

test("a path that cannot be opened is named", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "file"), "");
  await expect(stateOn(join(folder, "file", "state.db")).set("k", 1)).rejects.toMatchObject({
    kind: "config",
    message: expect.stringMatching(
      /component store: .*state\.db cannot be opened.*connectionString/,
    ),
  });
});

test("a file that is not a database is named and left alone", async () => {
  const file = join(newFolder(), "text.db");
  writeFileSync(
    file,
    "this is not a database, it is a text that is long enough to be one.".repeat(20),
  );
  const before = readFileSync(file);
  await expect(stateOn(file, { disableWAL: true }).get("k")).rejects.toMatchObject({
    kind: "config",
    message: expect.stringMatching(/text\.db is not a SQLite database/),
  });
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a full disk fails the write and keeps what was there", async () => {
  const state = stateOn(join(newFolder(), "full.db"));
  await state.set("k", "kept");
  // SQLite answers its own limit with the code and the text that it has for a disk without space.
  state.native<DatabaseSync>().exec("PRAGMA max_page_count = 10");
  const big = "x".repeat(100_000);
  const full = {
    kind: "unavailable",
    message: expect.stringMatching(/component store: the disk that holds .*full\.db is full/),
  };
  await expect(state.set("k", big)).rejects.toMatchObject(full);
  await expect(
    state.transaction([
      { operation: "delete", key: "k" },
      { operation: "upsert", key: "other", value: big },
    ]),
  ).rejects.toMatchObject(full);
  expect(await state.get("k")).toBe("kept");
  await state.set("k", "small");
  expect(await state.get("k")).toBe("small");
});

test("settings that could be SQL are refused, and values that look like it are values", async () => {
  for (const name of ["state; DROP TABLE state", 'a"b', "ä", "", "sqlite_x"]) {
    expect(() => stateOn(":memory:", { tableName: name })).toThrow(/component store: tableName/);
  }
  const state = stateOn(":memory:");
  await state.set("'); DROP TABLE state; --", "'); DROP TABLE state; --");
  expect(await state.get("'); DROP TABLE state; --")).toBe("'); DROP TABLE state; --");
});

test("tables may have any name that is one, and must be two", async () => {
  for (const tableName of ["order", "1abc", "Select"]) {
    const state = stateOn(":memory:", { tableName, metadataTableName: "values" });
    await state.set("k", 1);
    expect(await state.get("k")).toBe(1);
  }
  expect(() => stateOn(":memory:", { tableName: "Metadata" })).toThrow(
    /component store: tableName and metadataTableName must be two tables/,
  );
});

test("a parameter of the connection string that is not known is refused", () => {
  for (const mode of ["memory", "rw", "bogus"]) {
    expect(() => stateOn(`file:a.db?mode=${mode}`)).toThrow(/component store: connectionString/);
  }
  expect(() => stateOn("file:a.db?_pragma=foreign_keys(1)")).toThrow(
    /component store: connectionString/,
  );
});

test("a database of a later version is refused and left alone", async () => {
  const file = join(newFolder(), "later.db");
  const later = new DatabaseSync(file);
  later.exec(
    "CREATE TABLE metadata (key text NOT NULL PRIMARY KEY, value text NOT NULL); INSERT INTO metadata VALUES ('migrations', '9')",
  );
  await expect(stateOn(file).get("k")).rejects.toMatchObject({
    kind: "config",
    message: expect.stringMatching(/migration 9/),
  });
  expect(
    later.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'state'").get(),
  ).toEqual({ n: 0 });
});
