import { describe, expect, test } from "vitest";
import { component, freshDatabase, stateOn, versions, withServer } from "./_postgresql-beds.ts";
import { catalogue, daprTables, indexes } from "./_postgresql-dapr.ts";

withServer("state.postgresql: the tables", {}, (server) => {
  const { url, sql, renew } = freshDatabase(server);

  for (const version of versions) {
    const last = version === "v1" ? 3 : 2;
    const open = () => stateOn(component(version, { connectionString: url() }));

    describe(version, () => {
      test("the tables that pillion makes are the ones that Dapr makes", async () => {
        await open().set("k", 1);
        const ours = [await sql(catalogue), await sql(indexes)];
        await expect
          .poll(() => sql("SELECT * FROM dapr_metadata ORDER BY key"))
          .toEqual([
            ...(version === "v1"
              ? [{ key: "last-cleanup", value: expect.any(String) }]
              : [{ key: "last-cleanup-state-v2-", value: expect.any(String) }]),
            { key: "lock", value: "lock" },
            { key: version === "v1" ? "migrations" : "migrations-state-v2-", value: String(last) },
          ]);
        await renew();
        await sql(daprTables(version, last));
        expect(ours).toEqual([await sql(catalogue), await sql(indexes)]);
      });

      test.each(Array.from({ length: last + 1 }, (_, level) => level))(
        "a table that Dapr left at level %i is brought to the last, with its rows",
        async (level) => {
          await sql(daprTables(version, level));
          const value = version === "v1" ? "'1', false" : "'1'";
          const columns = version === "v1" ? "value, isbinary" : "value";
          if (level > 0) {
            await sql(`INSERT INTO state (key, ${columns}) VALUES ('app||b', ${value})`);
            await sql(`INSERT INTO state (key, ${columns}) VALUES ('app||a', ${value})`);
          }
          const state = open();
          expect(await state.get("b")).toBe(level > 0 ? 1 : undefined);
          await state.set("c", 2);
          const rows = await sql("SELECT key, row_id FROM state ORDER BY row_id");
          expect(rows.map(({ key }) => key)).toEqual(
            level > 0 ? ["app||b", "app||a", "app||c"] : ["app||c"],
          );
          expect(new Set(rows.map(({ row_id }) => row_id)).size).toBe(rows.length);
          const ours = [await sql(catalogue), await sql(indexes)];
          await renew();
          await sql(daprTables(version, last));
          expect(ours).toEqual([await sql(catalogue), await sql(indexes)]);
        },
      );

      test("a level of a later version is refused and left alone", async () => {
        await sql(daprTables(version, last));
        await sql("UPDATE dapr_metadata SET value = '9' WHERE key LIKE 'migrations%'");
        await expect(open().get("k")).rejects.toMatchObject({
          kind: "config",
          message: expect.stringMatching(
            /component store: migrations\S* in table .* is 9.*upgrade/,
          ),
        });
      });

      test("a table that was dropped is made again, where the level says that it was made", async () => {
        await sql(daprTables(version, last));
        await sql("DROP TABLE state");
        const state = open();
        await state.set("k", 1);
        expect(await state.get("k")).toBe(1);
      });

      test("a table of the other version is refused and left as it is", async () => {
        await sql(daprTables(version === "v1" ? "v2" : "v1", version === "v1" ? 2 : 3));
        const before = await sql(catalogue);
        await expect(open().get("k")).rejects.toMatchObject({
          kind: "config",
          message: expect.stringMatching(/not the other version/),
        });
        expect(await sql(catalogue)).toEqual(before);
      });
    });
  }
});
