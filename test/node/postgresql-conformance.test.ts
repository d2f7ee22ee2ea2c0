import pg from "pg";
import { afterAll, beforeAll } from "vitest";
import * as postgresql from "../../bindings/node/postgresql.ts";
import { localStateSuite } from "../conformance/suite.ts";
import { later, withServer } from "./_postgresql-beds.ts";

withServer("state.postgresql", { all: true }, (server, first) => {
  const pools: pg.Pool[] = [];
  beforeAll(async () => {
    await server().sql('CREATE SCHEMA other; CREATE SCHEMA "Sch.ema"');
  });
  afterAll(() => Promise.all(pools.map((pool) => pool.on("error", () => {}).end())));

  const suite = (title: string, make: () => Parameters<typeof localStateSuite>[1]) =>
    localStateSuite(title, later(make, postgresql.state({ host: "localhost" })));

  suite("v1", () => postgresql.stateV1({ connectionString: server().url() }));
  suite("v2", () => postgresql.state({ connectionString: server().url(), tablePrefix: "v2_" }));
  if (!first) return;
  suite("v1, a table in a schema, without prepared statements", () =>
    postgresql.stateV1({
      connectionString: `host=127.0.0.1 port=${server().port} user=postgres dbname=postgres options='-c search_path=public'`,
      tableName: '"Sch.ema"."Items Here"',
      metadataTableName: "Versions",
      queryExecMode: "exec",
      keyPrefix: "none",
    }));
  suite("v2, a prefix with a schema, by one connection", () =>
    postgresql.state({
      host: "127.0.0.1",
      port: server().port,
      user: "postgres",
      database: "postgres",
      tablePrefix: "other.Pre_",
      maxConns: 1,
      keyPrefix: "name",
    }));
  suite("v2, a pool of the user's", () => {
    const client = new pg.Pool({ connectionString: server().url(), max: 3 });
    pools.push(client);
    return postgresql.state({ client, tablePrefix: "pooled_" });
  });
});
