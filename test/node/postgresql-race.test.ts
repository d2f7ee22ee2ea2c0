import pg from "pg";
import { describe, expect, test } from "vitest";
import {
  component,
  freshDatabase,
  outcomes,
  runWriter,
  stateOn,
  versions,
  withServer,
} from "./_postgresql-beds.ts";
import { daprTables } from "./_postgresql-dapr.ts";

withServer("state.postgresql: races", {}, (server) => {
  const { url, sql, waiting, name } = freshDatabase(server);

  describe.each(versions)("%s", (version) => {
    const open = (options = {}) =>
      stateOn(component(version, { connectionString: url(), ...options }));

    test("eight instances that start at once on an empty database make the tables once", async () => {
      const all = Array.from({ length: 8 }, () => open());
      await Promise.all(all.map((state, n) => state.set(`k-${n}`, n)));
      const keys = all.map((_, n) => `k-${n}`);
      const items = await open().getBulk(keys);
      expect(items.map(({ value }) => value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    });

    test("a start waits while somebody migrates, and goes on with what that made", async () => {
      const level = version === "v1" ? 2 : 1;
      await sql(daprTables(version, level));
      const dapr = new pg.Client(url());
      await dapr.connect();
      await dapr.query("BEGIN; SELECT value FROM dapr_metadata WHERE key = 'lock' FOR UPDATE");
      const hasty = open({ timeout: 1 });
      await expect(hasty.set("k", 1)).rejects.toMatchObject({
        kind: "unavailable",
        message: expect.stringMatching(/were not ready within .*migrates/),
      });
      await waiting(1);
      const patient = open().set("j", 1);
      await waiting(2);
      // Dapr migrates on other connections than the one that holds the lock.
      await sql(`DROP TABLE state; ${daprTables(version, level + 1)}`);
      await waiting(2);
      await dapr.query("ROLLBACK");
      await patient;
      await dapr.end();
      await hasty.set("k", 1);
      expect(await hasty.get("j")).toBe(1);
    });

    test("64 writers in two processes on one key: conflicts, and no update lost", async () => {
      const words = [version, url(), "update", "32", "5"];
      const both = await Promise.all([runWriter(...words), runWriter(...words)]);
      expect(both.map(({ code }) => code)).toEqual([0, 0]);
      for (const { output } of both) expect(Number(output.split(" ")[1])).toBeGreaterThan(0);
      expect(await open().get("counter")).toBe(320);
    });

    test.each(["read committed", "repeatable read", "serializable"])(
      "transactions over the same keys in any order at %s: none is half made, none lost",
      async (isolation) => {
        await server().sql(
          `ALTER DATABASE ${name()} SET default_transaction_isolation = '${isolation}'`,
        );
        const state = open();
        const keys = ["a", "b", "c", "d", "e", "f"];
        await state.set("a", 0);
        const shuffled = (n: number) =>
          keys.map((_, index) => keys[(index * (n % 2 ? 5 : 1) + n) % 6] as string);
        const settled = await Promise.allSettled(
          Array.from({ length: 24 }, (_, n) =>
            state.transaction(shuffled(n).map((key) => ({ operation: "upsert", key, value: n }))),
          ),
        );
        const { succeeded, kinds } = outcomes(settled);
        if (isolation === "read committed") expect([succeeded, kinds]).toEqual([24, []]);
        else expect(kinds.filter((kind) => kind !== "unavailable")).toEqual([]);
        const values = (await state.getBulk(keys)).map(({ value }) => value);
        expect(new Set(values).size).toBe(1);
        expect(settled[values[0] as number]?.status).toBe("fulfilled");
      },
    );

    test("16 transactions that insert the same keys: one wins, the others are mismatches", async () => {
      const state = open();
      await state.get("k");
      for (let round = 0; round < 10; round++) {
        const settled = await Promise.allSettled(
          Array.from({ length: 16 }, (_, n) =>
            state.transaction(
              [`a-${round}`, `b-${round}`].map((key) => ({
                operation: "upsert",
                key,
                value: n,
                concurrency: "first-write",
              })),
            ),
          ),
        );
        const { succeeded, kinds } = outcomes(settled);
        expect([succeeded, kinds]).toEqual([1, ["etag-mismatch"]]);
        const items = await state.getBulk([`a-${round}`, `b-${round}`]);
        expect(items[0]?.value).toBe(items[1]?.value);
      }
    });

    test("a row to insert that came up after the transaction looked is a mismatch, not written over", async () => {
      const state = open();
      await state.set("other", "before");
      const insert =
        version === "v1"
          ? "(key, value, isbinary) VALUES ('app||k', '1', false)"
          : "(key, value) VALUES ('app||k', '1')";
      const rival = new pg.Client(url());
      await rival.connect();
      await rival.query(`BEGIN; INSERT INTO state ${insert}`);
      const work = state.transaction([
        { operation: "upsert", key: "k", value: 2, concurrency: "first-write" },
        { operation: "delete", key: "other" },
      ]);
      const failed = expect(work).rejects.toMatchObject({
        kind: "etag-mismatch",
        message: expect.stringMatching(/k\b/),
      });
      await waiting(1);
      await rival.query("COMMIT");
      await failed;
      await rival.end();
      expect([await state.get("k"), await state.get("other")]).toEqual([1, "before"]);
    });
  });
});
