import type { Mutant } from "./mutant.ts";

const conformance = ["test/node/postgresql-conformance.test.ts"];
const layout = ["test/node/postgresql-layout.test.ts"];
const trouble = ["test/node/postgresql-trouble.test.ts"];
const tables = ["test/node/postgresql-tables.test.ts"];
const connect = ["test/node/postgresql-connect.test.ts"];
const race = ["test/node/postgresql-race.test.ts"];
const calls = ["test/node/postgresql-calls.test.ts"];
const outage = ["test/node/postgresql-outage.test.ts"];

export const postgresql: readonly Mutant[] = [
  {
    name: "PostgreSQL: a stale ETag updates",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "key = $1 AND ${etag} = ${parameter}::${etagType} AND",
    by: "key = $1 AND ${etag} IS NOT NULL AND ${parameter}::${etagType} IS NOT NULL AND",
    tests: layout,
  },
  {
    name: "PostgreSQL: an insert writes over a living item",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "insert: `${upsert} WHERE ${over}${answer}`",
    by: "insert: `${upsert} WHERE true${answer}`",
    tests: conformance,
  },
  {
    name: "PostgreSQL: an expired item is read",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "get: `SELECT ${read} FROM ${table} WHERE key = $1 AND ${alive}`",
    by: "get: `SELECT ${read} FROM ${table} WHERE key = $1`",
    tests: layout,
  },
  {
    name: "PostgreSQL: a time to live ends up to a second early",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "interval '999999 microseconds'",
    by: "interval '0 microseconds'",
    tests: conformance,
  },
  {
    name: "PostgreSQL: a transaction with a stale ETag writes the rest",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "WHERE ${first} IS NOT NULL AND NOT EXISTS (SELECT FROM stale) ORDER BY",
    by: "WHERE ${first} IS NOT NULL ORDER BY",
    tests: conformance,
  },
  {
    name: "PostgreSQL: a transaction with a stale ETag deletes",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "op.${first} IS NULL AND NOT EXISTS (SELECT FROM stale)",
    by: "op.${first} IS NULL",
    tests: conformance,
  },
  {
    name: "PostgreSQL: a transaction that lost the race to insert commits the rest",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "THEN 1 ELSE 0 END`",
    by: "THEN 1 ELSE 1 END`",
    tests: race,
  },
  {
    name: "PostgreSQL: a transaction writes over a row that came up meanwhile",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "WHERE ${over} OR t.key NOT IN (SELECT key FROM op WHERE condition = 'absent')",
    by: "WHERE true",
    tests: race,
  },
  {
    name: "PostgreSQL: what the server undid because of others is not tried again",
    file: "bindings/node/_postgresql-errors.ts",
    replace: `new Set(["40001", "40P01", "22012"])`,
    by: "new Set<string>()",
    tests: race,
  },
  {
    name: "PostgreSQL: keys are listed in the database's own order",
    file: "bindings/node/_postgresql-statements.ts",
    replace: `ORDER BY key COLLATE "C" LIMIT $3`,
    by: "ORDER BY key LIMIT $3",
    tests: layout,
  },
  {
    name: "PostgreSQL: living items are removed with the expired",
    file: "bindings/node/_postgresql-statements.ts",
    replace: "WHERE ${expires} < now() LIMIT",
    by: "WHERE ${expires} IS NOT NULL LIMIT",
    tests: layout,
  },
  {
    name: "PostgreSQL: every process removes expired items, and not one per interval",
    file: "bindings/node/_postgresql-store.ts",
    replace: "if (count === 0) return;\n",
    by: "",
    tests: layout,
  },
  {
    name: "PostgreSQL: bytes that could be JSON come back as JSON",
    file: "bindings/node/_postgresql-layouts.ts",
    replace: "isV8(etag as string) || ",
    by: "",
    tests: conformance,
  },
  {
    name: "PostgreSQL: the lock of migrations is not taken",
    file: "bindings/node/_postgresql-tables.ts",
    replace: "WHERE key = 'lock' FOR UPDATE",
    by: "WHERE key = 'lock'",
    tests: race,
  },
  {
    name: "PostgreSQL: a later schema is taken for this one",
    file: "bindings/node/_postgresql-tables.ts",
    replace: "|| Number(level) > levels.length",
    by: "",
    tests: tables,
  },
  {
    name: "PostgreSQL: a table that is there is created again",
    file: "bindings/node/_postgresql-tables.ts",
    replace: "return there && Number(level) === levels.length;",
    by: "return false;",
    tests: trouble,
  },
  {
    name: "PostgreSQL: a write goes on after its caller left",
    file: "bindings/node/_postgresql-pool.ts",
    replace: `if (lease.stage === "ask") connections.cancel(lease.client as PoolClient);`,
    by: "",
    tests: calls,
  },
  {
    name: "PostgreSQL: a write starts after its caller left",
    file: "bindings/node/_postgresql-pool.ts",
    replace: `if (lease.stage !== "connect") {`,
    by: `if (lease.stage === "wait") {`,
    tests: outage,
  },
  {
    name: "PostgreSQL: a connection that died unheard is written to",
    file: "bindings/node/_postgresql-connections.ts",
    replace: "clock.now() - last < STALE_MS",
    by: "clock.now() - last >= 0",
    tests: calls,
  },
  {
    name: "PostgreSQL: calls wait without a bound while connections are in use",
    file: "bindings/node/_postgresql-door.ts",
    replace: "if (waiting.size >= line)",
    by: "if (waiting.size < 0)",
    tests: calls,
  },
  {
    name: "PostgreSQL: a certificate's name is not checked",
    file: "bindings/node/_postgresql-driver.ts",
    replace: `mode !== "verify-full" &&`,
    by: "mode !== undefined &&",
    tests: connect,
  },
  {
    name: "PostgreSQL: a name is put into SQL as it is",
    file: "bindings/node/_postgresql-tables.ts",
    replace: "if (names.length === 0 ||",
    by: "if (names.length > 9 ||",
    tests: connect,
  },
  {
    name: "postgresql: bytes are read in the form that the session has",
    file: "bindings/node/_postgresql-layouts.ts",
    replace: "THEN encode(value, 'hex') END",
    by: "THEN substr(value::text, 3) END",
    tests: ["test/node/postgresql-session.test.ts"],
  },
  {
    name: "postgresql: a call whose time is over is sent",
    file: "bindings/node/_postgresql-pool.ts",
    replace: "call.deadline !== undefined && call.deadline <=",
    by: "call.deadline === -1 && call.deadline <=",
    tests: ["test/node/postgresql-session.test.ts"],
  },
  {
    name: "postgresql: migrations see the tables as they were before they waited",
    file: "bindings/node/_postgresql-tables.ts",
    replace: "BEGIN ISOLATION LEVEL READ COMMITTED",
    by: "BEGIN",
    tests: ["test/node/postgresql-session.test.ts"],
  },
];
