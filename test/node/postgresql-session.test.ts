import { inspect } from "node:util";
import pg from "pg";
import { expect, test } from "vitest";
import {
  callOf,
  component,
  freshDatabase,
  outcomes,
  runtimeOf,
  stateOn,
  versions,
  withServer,
} from "./_postgresql-beds.ts";

withServer("state.postgresql: what others set for a session", {}, (server) => {
  const { url, sql, name } = freshDatabase(server);
  const v2 = (options = {}) => component("v2", { connectionString: url(), ...options });
  /** A setting that every new session of the database begins with. */
  const begin = (setting: string) => server().sql(`ALTER DATABASE ${name()} ${setting}`);

  test("no form of bytes, dates or numbers changes what is read", async () => {
    await begin("SET bytea_output TO escape");
    await begin("SET datestyle TO 'SQL, DMY'");
    await begin("SET extra_float_digits TO 0");
    for (const version of versions) {
      const names = version === "v1" ? { tableName: "one" } : {};
      const options = { connectionString: url(), cleanupInterval: 1, ...names };
      const state = stateOn(component(version, options));
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      await state.set("json", { a: "hello\\", n: 12345678 });
      await state.set("bytes", bytes);
      await state.set("ends", 1, { ttlInSeconds: 100 });
      expect(await state.get("json")).toEqual({ a: "hello\\", n: 12345678 });
      expect(await state.get("bytes")).toEqual(bytes);
      expect((await state.getItem("ends"))?.ttlExpireTime).toBeInstanceOf(Date);
      await state.update<object>("json", (value) => ({ ...value, more: 1 }));
      expect(await state.get("json")).toEqual({ a: "hello\\", n: 12345678, more: 1 });
    }
  });

  test.each(["repeatable read", "serializable"])(
    "instances that start at once do, also where transactions are %s",
    async (isolation) => {
      await begin(`SET default_transaction_isolation TO '${isolation}'`);
      for (const version of versions) {
        const stores = Array.from({ length: 8 }, () =>
          stateOn(component(version, { connectionString: url(), maxConns: 2 })),
        );
        const settled = await Promise.allSettled(stores.map((state) => state.set("k", 1)));
        expect(outcomes(settled)).toEqual({ succeeded: 8, kinds: [] });
        if (version === "v1") await sql("DROP TABLE state");
      }
    },
  );

  test("a connection that was made while the server took no writes is not kept", async () => {
    const state = stateOn(v2({ maxConns: 1 }));
    await state.set("k", 1);
    await begin("SET default_transaction_read_only TO on");
    const late = stateOn(v2({ maxConns: 1 }));
    await expect(late.set("k", 2)).rejects.toMatchObject({ kind: "unavailable" });
    await begin("RESET ALL");
    await late.set("k", 3);
    expect(await state.get("k")).toBe(3);
  });

  test("a transaction that a user's own client left open takes no write with it", async () => {
    const pool = new pg.Pool({ connectionString: url(), max: 2 });
    pool.on("error", () => {});
    const state = stateOn(component("v2", { client: pool }));
    await state.set("k", "before");
    const clients = [await pool.connect(), await pool.connect()];
    for (const client of clients) await client.query("BEGIN");
    for (const client of clients) client.release();
    await state.set("k", "after");
    await pool.end();
    expect(await stateOn(v2()).get("k")).toBe("after");
  });

  test("a call whose time is over sends nothing", async () => {
    const runtime = runtimeOf(v2());
    const state = runtime.blocks.state("store");
    const warm = Array.from({ length: 10 }, (_, index) => `warm${index}`);
    await Promise.all(warm.map((key) => state.set(key, 1)));
    const late = runtime.blocksFor(callOf({ deadline: Date.now() - 1000 })).state("store");
    for (let round = 0; round < 10; round++) {
      const writes = warm.map((key) => late.set(`late-${round}-${key}`, 1));
      for (const result of await Promise.allSettled(writes))
        expect(result).toMatchObject({ status: "rejected", reason: { kind: "unavailable" } });
    }
    expect((await state.list()).keys).toEqual(warm);
  });

  test("calls under way when the store closes end at once", async () => {
    const runtime = runtimeOf(v2({ maxConns: 1, timeout: 60, cleanupInterval: 0 }));
    const { instance: store } = runtime.find("state", "store");
    await store.set("k", { json: "1" }, {}, callOf({}));
    const writes = Array.from({ length: 20 }, () =>
      store.set("k", { json: "2" }, {}, callOf({})).then(
        () => "done",
        (error: Error) => error.message,
      ),
    );
    await store.close?.();
    const found = await Promise.all(writes);
    for (const message of found.filter((text) => text !== "done"))
      expect(message).toMatch(/component store is closed|closed|broke/);
    expect(found.some((text) => text !== "done")).toBe(true);
    await expect(store.get("k", {}, callOf({}))).rejects.toThrow("closed");
  });

  test("an error shows nothing of the value, however it is printed", async () => {
    const state = stateOn(component("v1", { connectionString: url() }));
    const error = await state.set("k", { password: "SECRET", x: "a\u0000" }).catch((e) => e);
    expect(error).toMatchObject({ kind: "invalid" });
    expect(inspect(error, { depth: 9 })).not.toContain("SECRET");
  });

  test("a value that could not be read again is refused before it is sent", async () => {
    const state = stateOn(v2());
    const huge = new Uint8Array(255 * 2 ** 20 + 1);
    await expect(state.set("k", huge)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("255 MB"),
    });
    expect(await state.get("k")).toBeUndefined();
  });

  test("an end at infinity, which Dapr's column may hold, is none", async () => {
    const state = stateOn(v2());
    await state.set("k", 1, { ttlInSeconds: 60 });
    expect((await state.getItem("k"))?.ttlExpireTime).toBeInstanceOf(Date);
    await sql("UPDATE state SET expires_at = 'infinity'");
    expect(await state.getItem("k")).toMatchObject({ value: 1, ttlExpireTime: undefined });
  });
});
