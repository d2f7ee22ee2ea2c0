import type { Host } from "../../src/contracts/host.ts";
import { type StateStore, stateStore } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { connectionsTo } from "./_postgresql-connections.ts";
import { type Layout, v1, v2 } from "./_postgresql-layouts.ts";
import { createPool } from "./_postgresql-pool.ts";
import { type Shared, sourceOf, withShared } from "./_postgresql-settings.ts";
import { createStore } from "./_postgresql-store.ts";
import { type Migrations, tableOf, v1Migrations, v2Migrations } from "./_postgresql-tables.ts";

/** State in PostgreSQL 13 or later, in Dapr's second layout: any value as its bytes. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.postgresql",
  version: "v2",
  runsOn: ["node", "lambda"],
  clock: "server",
  fields: /* @__PURE__ */ withShared({
    tablePrefix: {
      type: "string",
      default: "",
      description:
        'What comes before `state` in the table\'s name; it may be or begin with a schema and a dot. Listing keys reads all of the table, unless it has an index on (key COLLATE "C").',
    },
  }),
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open(settings, host, name) {
    const prefix = settings.tablePrefix;
    const table = tableOf(`${prefix}state`, "tablePrefix", name);
    const metadata = tableOf(settings.metadataTableName, "metadataTableName", name);
    return openStore(settings, host, name, {
      version: "v2",
      layout: v2(table.quoted, host),
      migrations: v2Migrations(table, metadata, prefix),
      cleanupKey: `last-cleanup-state-v2-${prefix}`,
    });
  },
});

/** The same in Dapr's first layout, which it takes when no version is said: values as jsonb, so without U+0000 in texts. */
export const stateV1 = /* @__PURE__ */ stateStore({
  type: "state.postgresql",
  runsOn: ["node", "lambda"],
  clock: "server",
  fields: /* @__PURE__ */ withShared({
    tableName: {
      type: "string",
      default: "state",
      description:
        'Table of the items, after its schema and a dot if it has one. Listing keys reads all of it, unless it has an index on (key COLLATE "C").',
    },
  }),
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open(settings, host, name) {
    const table = tableOf(settings.tableName, "tableName", name);
    const metadata = tableOf(settings.metadataTableName, "metadataTableName", name);
    return openStore(settings, host, name, {
      version: "v1",
      layout: v1(table.quoted),
      migrations: v1Migrations(table, metadata),
      cleanupKey: "last-cleanup",
    });
  },
});

/** What the two layouts do not share. */
interface Kind {
  readonly version: "v1" | "v2";
  readonly layout: Layout;
  readonly migrations: Migrations;
  readonly cleanupKey: string;
}

function openStore(settings: Shared, host: Host, name: string, kind: Kind): StateStore {
  const { table, metadata } = kind.migrations;
  const tables = `${table.quoted} and ${metadata.quoted}`;
  if (table.quoted === metadata.quoted) {
    const text = `component ${name}: items and metadata must be two tables, not both ${table.quoted}`;
    throw new ComponentError("config", text);
  }
  const { source, server, setting, limits } = sourceOf(settings, name);
  const connections = connectionsTo(source, limits, host, name);
  return createStore(host, {
    pool: createPool({
      connections,
      max: limits.max,
      timeoutMs: settings.timeout,
      setting,
      component: name,
      server,
    }),
    place: { component: name, server, tables, version: kind.version },
    native: connections.native,
    layout: kind.layout,
    migrations: kind.migrations,
    timeoutMs: settings.timeout,
    cleanupMs: settings.cleanupInterval,
    cleanupKey: kind.cleanupKey,
    named: settings.queryExecMode === "cache_statement",
  });
}
