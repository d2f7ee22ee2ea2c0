import pg from "pg";
import { describe, expect, test } from "vitest";
import { v2 } from "../../bindings/node/_postgresql-layouts.ts";
import * as postgresql from "../../bindings/node/postgresql.ts";
import { processHost } from "../../targets/_process/host.ts";
import { component, freshDatabase, stateOn, versions, withServer } from "./_postgresql-beds.ts";
import { daprStatements } from "./_postgresql-dapr.ts";

const ETAG = "6f2c8f3e-6a0e-4d0c-9a55-0f6f6a0d9b11";

withServer("state.postgresql: the layout", {}, (server) => {
  const { url, sql, renew } = freshDatabase(server);
  const row = async (key: string) =>
    (await sql("SELECT * FROM state WHERE key = $1", [`app||${key}`]))[0];

  for (const version of versions) {
    const open = () => stateOn(component(version, { connectionString: url() }));
    const statements = daprStatements[version];

    describe(version, () => {
      test("Dapr's statements read, update and delete what pillion wrote", async () => {
        const state = open();
        const etag = await state.set("k", { text: "ä<b>" }, { ttlInSeconds: 60 });
        const [read] = await sql(statements.get, ["app||k"]);
        expect(String(read?.etag)).toBe(etag);
        expect(version === "v1" ? read?.value : JSON.parse(String(read?.value))).toEqual({
          text: "ä<b>",
        });
        const changed = version === "v1" ? ["app||k", '"new"', false] : ["app||k", '"new"'];
        await sql(statements.update, [...changed, etag]);
        const item = await state.getItem("k");
        expect(item).toMatchObject({ value: "new", ttlExpireTime: undefined });
        await expect(state.set("k", 3, { etag })).rejects.toMatchObject({ status: 409 });
        expect(await sql(statements.keysLike, ["app||%", 0])).toHaveLength(1);
        await sql(statements.delete, ["app||k", etag]);
        expect(await state.get("k")).toBe("new");
        await sql(statements.delete, ["app||k", item?.etag]);
        expect(await state.get("k")).toBeUndefined();
      });

      test("rows that Dapr wrote without an ETag are read, updated and deleted under theirs", async () => {
        const state = open();
        await state.get("k");
        await sql(statements.set, ["app||k", '{"a":1}', ...(version === "v1" ? [false] : [])]);
        const item = await state.getItem("k");
        expect(item?.value).toEqual({ a: 1 });
        const etag = await state.set("k", 2, { etag: item?.etag });
        await expect(state.delete("k", { etag: item?.etag })).rejects.toMatchObject({
          status: 409,
        });
        await state.delete("k", { etag });
        expect(await row("k")).toBeUndefined();
      });

      test("a row whose time is over is absent, one of part of a second ends with it", async () => {
        const state = open();
        await state.get("k");
        const expires = version === "v1" ? "expiredate" : "expires_at";
        const [columns, values] =
          version === "v1" ? ["value, isbinary", "'1', false"] : ["value", "'1'"];
        await sql(`INSERT INTO state (key, ${columns}, ${expires}) VALUES
          ('app||over', ${values}, now() - interval '1 ms'),
          ('app||left', ${values}, date_trunc('second', now()) + interval '60.25 s'),
          ('app||stays', ${values}, NULL)`);
        const [{ end } = { end: 0 }] = await sql<{ end: number }>(
          `SELECT extract(epoch FROM ${expires})::float AS end FROM state WHERE key = 'app||left'`,
        );
        expect(await state.get("over")).toBeUndefined();
        expect(await state.get("stays")).toBe(1);
        const item = await state.getItem("left");
        expect(item?.ttlExpireTime?.getTime()).toBe(Math.ceil(end) * 1000);
        expect(end % 1).toBe(0.25);
        expect((await state.list({})).keys).toEqual(["left", "stays"]);
      });

      test("expired rows, and no others, are removed once per interval among all", async () => {
        const open = (cleanupInterval: string) =>
          stateOn(component(version, { connectionString: url(), cleanupInterval }));
        const expires = version === "v1" ? "expiredate" : "expires_at";
        const first = open("1h");
        const expire = () =>
          sql(`UPDATE state SET ${expires} = now() - interval '1 s' WHERE key LIKE 'app||over%'`);
        const keys = async () =>
          (await sql("SELECT key FROM state ORDER BY key")).map(({ key }) => key);
        await first.setBulk(
          Array.from({ length: 1100 }, (_, index) => ({ key: `over-${index}`, value: 1 })),
        );
        await expire();
        // The first of these writers cleaned up when there was nothing to; another is not due yet.
        await open("1h").set("stays", 1, { ttlInSeconds: 60 });
        expect(await keys()).toHaveLength(1101);
        await sql(
          "UPDATE dapr_metadata SET value = (now() - interval '1 h')::text WHERE key LIKE 'last-cleanup%'",
        );
        await open("1h").set("stays", 1, { ttlInSeconds: 60 });
        await expect.poll(keys).toEqual(["app||stays"]);
        const off = open("0");
        await off.set("over-0", 1);
        await expire();
        await sql("DELETE FROM dapr_metadata WHERE key LIKE 'last-cleanup%'");
        await off.set("stays", 1);
        expect(await keys()).toEqual(["app||over-0", "app||stays"]);
        await open("1s").set("stays", 1);
        await expect.poll(keys).toEqual(["app||stays"]);
      });
    });
  }

  test("v1: what pillion writes is, column by column, what Dapr writes", async () => {
    const state = stateOn(postgresql.stateV1({ connectionString: url() }));
    const etag = await state.set("json", { b: 1, a: [1.5e-9, "ä<b>"] });
    await state.set("bytes", new Uint8Array([0, 1, 255]), { ttlInSeconds: 60 });
    expect(
      await sql(
        "SELECT value::text, isbinary, xmin::text, updatedate, expiredate FROM state WHERE key = 'app||json'",
      ),
    ).toEqual([
      {
        value: '{"a": [0.0000000015, "ä<b>"], "b": 1}',
        isbinary: false,
        xmin: etag,
        updatedate: null,
        expiredate: null,
      },
    ]);
    expect(await row("bytes")).toMatchObject({
      value: "AAH/",
      isbinary: true,
      insertdate: expect.any(Date),
      updatedate: null,
      expiredate: expect.any(Date),
    });
    await state.set("bytes", 1);
    expect(await row("bytes")).toMatchObject({
      isbinary: false,
      updatedate: expect.any(Date),
      expiredate: null,
    });
  });

  test("v1: binary rows of Dapr are read as bytes, and what is none is corrupt", async () => {
    const state = stateOn(postgresql.stateV1({ connectionString: url() }));
    await state.get("k");
    await sql(
      `INSERT INTO state (key, value, isbinary) VALUES ('app||bytes', '"eyJhIjogMX0="', true), ('app||bad', '{"a": 1}', true)`,
    );
    expect(await state.get("bytes")).toEqual(new TextEncoder().encode('{"a": 1}'));
    await expect(state.get("bad")).rejects.toMatchObject({ kind: "corrupt" });
    const [bytes, bad] = await state.getBulk(["bytes", "bad"]);
    expect(bytes?.value).toBeInstanceOf(Uint8Array);
    expect(bad?.error).toMatchObject({ kind: "corrupt" });
  });

  test("v1: rows of one transaction have one ETag, and each can be updated under it", async () => {
    const state = stateOn(postgresql.stateV1({ connectionString: url() }));
    await state.transaction([
      { operation: "upsert", key: "a", value: 1 },
      { operation: "upsert", key: "b", value: 1 },
    ]);
    const [a, b] = await state.getBulk(["a", "b"]);
    expect(a?.etag).toBe(b?.etag);
    const next = await state.set("a", 2, { etag: a?.etag });
    expect(next).not.toBe(a?.etag);
    await expect(state.set("a", 3, { etag: a?.etag })).rejects.toMatchObject({ status: 409 });
    await state.set("b", 2, { etag: b?.etag });
  });

  test("v1: an ETag that is no number of 32 bits is invalid", async () => {
    const state = stateOn(postgresql.stateV1({ connectionString: url() }));
    await state.set("k", 1);
    for (const etag of ["x", "-1", "1.5", "007", "4294967296", "0x1", " 1"]) {
      const refused = { kind: "etag-invalid", status: 400 };
      await expect(state.set("k", 2, { etag })).rejects.toMatchObject(refused);
      await expect(state.delete("k", { etag })).rejects.toMatchObject(refused);
      await expect(
        state.transaction([
          { operation: "delete", key: "k", etag },
          { operation: "delete", key: "j" },
        ]),
      ).rejects.toMatchObject({ kind: "etag-invalid" });
    }
    await expect(state.set("k", 2, { etag: "4294967295" })).rejects.toMatchObject({ status: 409 });
    expect(await state.get("k")).toBe(1);
  });

  test("v2: what pillion writes is, column by column, what Dapr writes", async () => {
    const state = stateOn(postgresql.state({ connectionString: url() }));
    const etag = await state.set("json", { b: 1, a: "ä<b>" });
    await state.set("bytes", new Uint8Array([0, 1, 255]), { ttlInSeconds: 60 });
    expect(await row("json")).toEqual({
      key: "app||json",
      value: Buffer.from('{"b":1,"a":"ä<b>"}'),
      etag,
      created_at: expect.any(Date),
      updated_at: null,
      expires_at: null,
      row_id: "1",
    });
    expect(etag).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(await row("bytes")).toMatchObject({
      value: Buffer.from([0, 1, 255]),
      etag: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/),
      expires_at: expect.any(Date),
    });
  });

  test("v2: bytes that could be JSON stay bytes until Dapr writes the row", async () => {
    const state = stateOn(postgresql.state({ connectionString: url() }));
    const bytes = new TextEncoder().encode('{"a":1}');
    await state.set("k", bytes);
    expect(await state.get("k")).toEqual(bytes);
    await state.transaction([
      { operation: "upsert", key: "k", value: bytes },
      { operation: "upsert", key: "j", value: { a: 1 } },
    ]);
    expect([await state.get("k"), await state.get("j")]).toEqual([bytes, { a: 1 }]);
    await sql(daprStatements.v2.set, ["app||k", '{"a":1}']);
    expect(await state.get("k")).toEqual({ a: 1 });
  });

  test("v2: rows of Dapr that are not JSON are bytes", async () => {
    const state = stateOn(postgresql.state({ connectionString: url() }));
    await state.get("k");
    await sql("INSERT INTO state (key, value, etag) VALUES ('app||text', 'not json', $1)", [ETAG]);
    await sql("INSERT INTO state (key, value, etag) VALUES ('app||bytes', $1, $2)", [
      Buffer.from([0, 255]),
      ETAG,
    ]);
    const [text, bytes] = await state.getBulk(["text", "bytes"]);
    expect(text).toMatchObject({ value: new TextEncoder().encode("not json"), etag: ETAG });
    expect(bytes?.value).toEqual(new Uint8Array([0, 255]));
  });

  test("v2: an ETag that is no UUID is a mismatch, and letters of both cases are the same", async () => {
    const state = stateOn(postgresql.state({ connectionString: url() }));
    const etag = (await state.set("k", 1)) as string;
    for (const other of ["x", "1", `{${etag}}`, etag.replaceAll("-", "")]) {
      await expect(state.set("k", 2, { etag: other })).rejects.toMatchObject({ status: 409 });
      await expect(state.delete("k", { etag: other })).rejects.toMatchObject({ status: 409 });
    }
    const next = await state.set("k", 2, { etag: etag.toUpperCase() });
    await state.transaction([
      { operation: "upsert", key: "k", value: 3, etag: next?.toUpperCase() },
      { operation: "delete", key: "j" },
    ]);
    expect(await state.get("k")).toBe(3);
  });

  test("keys are listed by their bytes whatever the database sorts by, by an index where there is one", async () => {
    await renew("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'");
    const keys = ["B", "Z", "a", "b", "ä", "\u{ffff}", "\u{10000}"];
    const state = stateOn(postgresql.state({ connectionString: url() }));
    await state.setBulk(keys.map((key) => ({ key, value: 1 })));
    expect((await state.list({})).keys).toEqual(keys);
    const pages = [await state.list({ limit: 3 })];
    pages.push(await state.list({ limit: 10, cursor: pages[0]?.cursor }));
    expect(pages.flatMap((page) => page.keys)).toEqual(keys);
    const plan = async () => {
      const client = new pg.Client(url());
      await client.connect();
      await client.query("SET plan_cache_mode = force_generic_plan");
      const { list } = v2('"state"', processHost("node")).texts;
      await client.query(`PREPARE list (text, text, int, text) AS ${list}`);
      const { rows } = await client.query("EXPLAIN EXECUTE list ('app||', '', 3, 'app|}')");
      await client.end();
      return JSON.stringify(rows);
    };
    await sql(
      "INSERT INTO state (key, value) SELECT 'other||' || n, '1' FROM generate_series(1, 20000) AS n; ANALYZE state",
    );
    expect(await plan()).toMatch(/Seq Scan/);
    await sql('CREATE INDEX by_bytes ON state (key COLLATE "C")');
    expect(await plan()).toMatch(/Index Scan using by_bytes/);
    expect((await state.list({})).keys).toEqual(keys);
  });
});
