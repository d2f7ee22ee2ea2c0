import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import * as postgresql from "../../bindings/node/postgresql.ts";
import {
  closeAll,
  component,
  freshDatabase,
  stateOn,
  versions,
  withServer,
} from "./_postgresql-beds.ts";

const MOST = 2 ** 31;

withServer("state.postgresql: trouble", {}, (server) => {
  const { url, sql } = freshDatabase(server);
  beforeAll(async () => {
    await server().sql("CREATE ROLE ada LOGIN");
  });

  describe.each(versions)("%s", (version) => {
    const open = (user?: string) => stateOn(component(version, { connectionString: url(user) }));

    test("a user who may not create tables can use those that are there", async () => {
      const refused = {
        kind: "config",
        message: expect.stringMatching(/CREATE on their schema/),
      };
      await expect(open("ada").get("k")).rejects.toMatchObject(refused);
      await open().set("k", 1);
      await sql("GRANT SELECT, INSERT, UPDATE, DELETE ON state, dapr_metadata TO ada");
      const state = open("ada");
      await state.set("k", 2, { ttlInSeconds: 60 });
      await state.transaction([
        { operation: "delete", key: "k" },
        { operation: "upsert", key: "j", value: 1 },
      ]);
      expect(await state.get("j")).toBe(1);
      await sql("REVOKE INSERT ON state FROM ada");
      await expect(state.set("k", 1)).rejects.toMatchObject({
        kind: "config",
        message: expect.stringMatching(/permission denied for table state: grant/),
      });
    });

    test("a read-only server is read, and a write says why it is not made", async () => {
      await open().set("k", 1);
      const state = stateOn(
        component(version, {
          connectionString: `${url()}&default_transaction_read_only=on`,
        }),
      );
      expect(await state.get("k")).toBe(1);
      await expect(state.set("k", 2)).rejects.toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/takes no writes: .*primary/),
      });
      expect(await state.get("k")).toBe(1);
    });

    test("a key that the index cannot hold is refused, and a long one that compresses is not", async () => {
      const state = open();
      await state.set("k", 1);
      const random = Array.from({ length: 4000 }, () => Math.random().toString(36)[2]).join("");
      for (const key of [random, "x".repeat(1_000_000)]) {
        const refused = { kind: "invalid", message: expect.stringMatching(/2,700 bytes/) };
        await expect(state.set(key, 1)).rejects.toMatchObject(refused);
        await expect(
          state.transaction([
            { operation: "upsert", key: "k", value: 2 },
            { operation: "upsert", key, value: 1 },
          ]),
        ).rejects.toMatchObject(refused);
        expect(await state.get(key)).toBeUndefined();
      }
      expect(await state.get("k")).toBe(1);
      await state.set("x".repeat(50_000), 1);
      expect(await state.get("x".repeat(50_000))).toBe(1);
    });

    test("values of 400 KB and of 10 MB come back whole", async () => {
      const state = open();
      for (const size of [400_000, 10_000_000]) {
        const bytes = new Uint8Array(size).map((_, index) => index % 251);
        const text = "é✓".repeat(size / 5);
        await state.set("text", text);
        await state.set("bytes", bytes);
        expect((await state.get("text")) === text).toBe(true);
        expect(Buffer.compare((await state.get<Uint8Array>("bytes")) as Uint8Array, bytes)).toBe(0);
      }
    });

    test("keys and values that look like SQL or patterns are keys and values", async () => {
      const state = open();
      const texts = ["'); DROP TABLE state; --", "%", "_", "\\", '{"a",NULL}', "NULL", '"', "$1"];
      await state.transaction(texts.map((key) => ({ operation: "upsert", key, value: key })));
      for (const key of texts) {
        expect(await state.get(key)).toBe(key);
        expect((await state.list({ prefix: key })).keys).toContain(key);
      }
      expect((await state.getBulk(texts)).map(({ value }) => value)).toEqual(texts);
      expect((await state.list({ prefix: "%" })).keys).toEqual(["%"]);
      expect((await state.list({ cursor: "app||\u{10ffff}" })).keys).toEqual([]);
      await state.transaction(texts.map((key) => ({ operation: "delete", key })));
      expect((await state.list({})).keys).toEqual([]);
    });

    test("the longest time to live and a value of null are taken", async () => {
      const state = open();
      await state.set("k", null, { ttlInSeconds: MOST - 1 });
      const item = await state.getItem("k");
      expect(item?.value).toBeNull();
      expect(item?.ttlExpireTime?.getTime()).toBeGreaterThan(Date.now() + (MOST - 60) * 1000);
    });

    test("statements are prepared once per connection, and not at all if the mode says so", async () => {
      for (const [mode, count] of [
        ["cache_statement", 2],
        ["exec", 0],
        ["simple_protocol", 0],
      ] as const) {
        const state = stateOn(
          component(version, {
            connectionString: url(),
            maxConns: 1,
            queryExecMode: mode,
            cleanupInterval: 0,
          }),
        );
        for (const value of [1, 2, 3]) {
          await state.set("k", value);
          expect(await state.get("k")).toBe(value);
        }
        const { rows } = await state
          .native<pg.Pool>()
          .query("SELECT count(*)::int AS n FROM pg_prepared_statements");
        expect(rows).toEqual([{ n: count }]);
      }
    });

    test("prepared statements that a pooler lost are a configuration error, and mended", async () => {
      const state = stateOn(component(version, { connectionString: url(), maxConns: 1 }));
      await state.set("k", 1);
      await state.native<pg.Pool>().query("DEALLOCATE ALL");
      await expect(state.set("k", 2)).rejects.toMatchObject({
        kind: "config",
        message: expect.stringMatching(/queryExecMode to exec/),
      });
      await state.set("k", 3);
      expect(await state.get("k")).toBe(3);
    });

    test("a pool of the user's is used by two components, and left open", async () => {
      const client = new pg.Pool({ connectionString: url(), max: 2 });
      try {
        const one = component(version, { client, metadataTableName: "dapr_metadata" });
        const other = component(version, { client, metadataTableName: "dapr_metadata" });
        await Promise.all([stateOn(one).set("k", 1), stateOn(other).set("j", 2)]);
        await closeAll();
        expect((await client.query("SELECT count(*)::int AS n FROM state")).rows).toEqual([
          { n: 2 },
        ]);
        expect(client.listenerCount("error")).toBe(0);
      } finally {
        await client.end();
      }
      await expect(stateOn(component(version, { client })).get("k")).rejects.toMatchObject({
        kind: "config",
        message: expect.stringMatching(/pool given as client was closed/),
      });
    });
  });

  test("v1 refuses U+0000 in texts and says that v2 holds it, which it does", async () => {
    const v1 = stateOn(postgresql.stateV1({ connectionString: url() }));
    await v1.set("k", 1);
    const refused = { kind: "invalid", message: expect.stringMatching(/U\+0000.*version v2/) };
    await expect(v1.set("k", { text: "a\0b" })).rejects.toMatchObject(refused);
    await expect(
      v1.transaction([
        { operation: "upsert", key: "k", value: "a\0b" },
        { operation: "upsert", key: "j", value: 1 },
      ]),
    ).rejects.toMatchObject(refused);
    expect([await v1.get("k"), await v1.get("j")]).toEqual([1, undefined]);
    await v1.set("k", "\\u0000");
    expect(await v1.get("k")).toBe("\\u0000");
    await v1.set("k", new Uint8Array([0]));
    expect(await v1.get("k")).toEqual(new Uint8Array([0]));
    const v2 = stateOn(postgresql.state({ connectionString: url(), tablePrefix: "v2_" }));
    await v2.set("k", { text: "a\0b\ud800" });
    expect(await v2.get("k")).toEqual({ text: "a\0b\ud800" });
  });
});
