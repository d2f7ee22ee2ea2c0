import { describe, expect, test } from "vitest";
import * as d1 from "../../bindings/cloudflare/d1.ts";
import * as durableObjects from "../../bindings/cloudflare/durable-objects.ts";
import { createRuntime } from "../../src/runtime.ts";
import { webHost } from "../../src/web.ts";
import { thrownBy } from "./_drive.ts";

type Options = Parameters<typeof d1.state>[0];

/** A store on what stands in for D1: for what its local form cannot be brought to answer. */
function storeOn(DB: unknown, options: Partial<Options> = {}) {
  const runtime = createRuntime({
    id: "orders",
    components: { store: d1.state({ binding: "DB", ...options }) },
    host: webHost("workers", { env: { DB, TEXT: "text", KV: { get() {}, put() {} } } }),
  });
  return () => runtime.blocks.state("store");
}

/** Answers every statement, or every batch, as `answer` does. */
function standIn(answer: () => unknown) {
  const statement = { bind: () => statement, all: async () => answer() };
  return { prepare: () => statement, batch: async () => [answer(), answer()] };
}

function failing(message: string) {
  return standIn(() => {
    throw new Error(message);
  });
}

describe("the worker binding", () => {
  test("that is missing or of another kind is a configuration error with what to paste", async () => {
    for (const binding of ["MISSING", "TEXT", "KV"]) {
      const error = await thrownBy(Promise.resolve().then(storeOn(undefined, { binding })));
      expect(error).toMatchObject({ kind: "config" });
      expect(error.message).toContain(`[[d1_databases]]\n  binding = "${binding}"`);
    }
  });
});

describe("names of tables", () => {
  test("that are more than a name are refused before anything is asked", async () => {
    const DB = failing("it was asked");
    for (const tableName of ['state"; DROP TABLE x', "a b", "", "sqlite_x", "_cf_KV", "metadata"]) {
      const error = await thrownBy(Promise.resolve().then(storeOn(DB, { tableName })));
      expect(error).toMatchObject({ kind: "config" });
      expect(error.message).toMatch(/component store: .*tableName/s);
    }
  });
});

describe("what D1 answers", () => {
  test.each([
    ["D1_ERROR: D1 DB is overloaded. Requests queued for too long.", "unavailable"],
    [
      "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
      "unavailable",
    ],
    ["D1_ERROR: Network connection lost.", "unavailable"],
    ["D1_ERROR: no such table: state: SQLITE_ERROR", "unavailable"],
    ["D1_ERROR: string or blob too big: SQLITE_TOOBIG", "invalid"],
    ["D1_ERROR: no such column: is_binary at offset 7: SQLITE_ERROR", "config"],
  ])("%s is %s", async (message, kind) => {
    const store = storeOn(failing(message))();
    for (const attempt of [
      () => store.get("k"),
      () => store.getBulk(["k"]),
      () => store.set("k", 1),
      () => store.delete("k", { etag: "e" }),
      () =>
        store.transaction([
          { operation: "delete", key: "k" },
          { operation: "delete", key: "l" },
        ]),
      () => store.list(),
    ]) {
      const error = await thrownBy(attempt());
      expect(error).toMatchObject({ kind });
      expect(error.message).toContain("component store");
    }
  });

  test("a condition that fails in the first attempt is a mismatch, in a later one it is not", async () => {
    const attempts = (total_attempts?: number) =>
      storeOn(standIn(() => ({ results: [], meta: { total_attempts } })))();
    for (const [count, kind] of [
      [undefined, "etag-mismatch"],
      [1, "etag-mismatch"],
      [2, "unavailable"],
    ] as const) {
      const store = attempts(count);
      for (const attempt of [
        () => store.set("k", 1, { etag: "e" }),
        () => store.set("k", 1, { concurrency: "first-write" }),
        () => store.delete("k", { etag: "e" }),
      ]) {
        expect(await thrownBy(attempt())).toMatchObject({ kind });
      }
    }
  });

  test("it is not asked twice for what it refused", async () => {
    let asked = 0;
    const DB = standIn(() => {
      asked++;
      throw new Error("D1_ERROR: Network connection lost.");
    });
    await thrownBy(storeOn(DB)().set("k", 1));
    expect(asked).toBe(1);
  });
});

test("state.cloudflare.d1 runs on Workers alone, as Durable Objects do", () => {
  expect(d1.state({ binding: "DB" }).runsOn).toEqual(durableObjects.state({}).runsOn);
});
