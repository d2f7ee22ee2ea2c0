import type { Settings } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import {
  expiryOf,
  type StateOperation,
  type StateStore,
  type StoredItem,
  type StoredValue,
  stateStore,
} from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { format } from "../_sqlite-layout.ts";
import { type Answer, connection, type Database } from "./_d1.ts";
import {
  brokenCondition,
  conditionsOf,
  queriesOf,
  type Row,
  toColumns,
  toItem,
} from "./_d1-table.ts";

const fields = {
  binding: {
    type: "string",
    required: true,
    description: "Worker binding of the D1 database.",
  },
  tableName: {
    type: "string",
    default: "state",
    description: "Table of the items; letters, digits and _. It is made if it is missing.",
  },
  metadataTableName: {
    type: "string",
    default: "metadata",
    description: "Table that holds the schema's version.",
  },
  cleanupInterval: {
    type: "duration",
    aliases: ["cleanupIntervalInSeconds"],
    default: 0,
    description:
      "Least time between two removals of expired rows, made after a write; 0 leaves them. Expired rows are never read. Each removal reads the whole table, which D1 bills.",
  },
} as const;

/** State in a D1 database, in the table of Dapr's SQLite store: an exported file is one that Dapr reads. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.cloudflare.d1",
  runsOn: ["workers"],
  clock: "host",
  fields,
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open: d1Store,
});

/** D1's limit for a row and for one bound text: developers.cloudflare.com/d1/platform/limits. The local runtime takes more. */
const MAX_ROW = 2_000_000;
/** Bytes of a row beside its key and value: an ETag, two times, a flag and SQLite's own. */
const ROW_REST = 100;
/** D1's limit of queries in an invocation (same page), less the guard and the one delete that a transaction may need. */
const MAX_OPERATIONS = 998;

function d1Store(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const { clock, random } = host;
  const database = databaseOf(settings.binding, host, name);
  const queries = queriesOf(...tablesOf(settings, name));
  const d1 = connection(database, queries, name);
  const now = () => format(Math.floor(clock.now() / 1000));
  let cleaned = 0;

  const store: StateStore = {
    maxOperations: MAX_OPERATIONS,
    init: () => d1.check(),

    async get(key) {
      const { results } = await d1.one(bound("get", text(key), now()));
      return results[0] && toItem(results[0] as unknown as Row);
    },

    async getBulk(keys) {
      const { results } = await d1.one(bound("getBulk", text(JSON.stringify(keys)), now()));
      const rows = new Map(results.map((row) => [row.key, row as unknown as Row]));
      return keys.map((key) => itemOrError(rows.get(key)));
    },

    async set(key, value, { when, ttl }, call) {
      const row = toRow(key, value, ttl);
      const [, , , etag] = row;
      if (when === undefined) await d1.one(bound("set", ...row));
      else {
        const written =
          when === "absent" ? bound("insert", ...row) : bound("update", ...row, when.etag);
        settle(key, await d1.one(written));
      }
      cleanUp(call);
      return etag;
    },

    async delete(key, { when }) {
      if (when === undefined) await d1.one(bound("delete", text(key)));
      else settle(key, await d1.one(bound("deleteMatch", text(key), when.etag, now())));
    },

    async transaction(operations, call) {
      const [only] = operations;
      if (only && operations.length === 1) return apply(only, call);
      await applyAll(operations);
      cleanUp(call);
    },

    async list(prefix, limit, cursor) {
      const { results } = await d1.one(bound("list", text(prefix), cursor ?? "", now(), limit + 1));
      // Keys come in order, so the first one without the prefix is past all that have it.
      const keys = results.map(({ key }) => key as string).filter((key) => key.startsWith(prefix));
      const page = keys.slice(0, limit);
      return { keys: page, cursor: keys.length > limit ? page.at(-1) : undefined };
    },

    native: () => database,
  };
  return store;

  function bound(query: keyof typeof queries, ...values: (string | number | null)[]) {
    return database.prepare(queries[query]).bind(...values);
  }

  async function apply(operation: StateOperation, call: Call): Promise<void> {
    if (operation.operation === "delete") await store.delete(operation.key, operation, call);
    else await store.set(operation.key, operation.value, operation, call);
  }

  /** The guard and one delete, each where it is needed, and one statement for each upsert: no two have the same key. */
  async function applyAll(operations: readonly StateOperation[]): Promise<void> {
    const conditions = conditionsOf(operations);
    const statements = operations.flatMap((operation) => {
      if (operation.operation === "delete") return [];
      return [bound("set", ...toRow(operation.key, operation.value, operation.ttl))];
    });
    const gone = operations.filter(({ operation }) => operation === "delete");
    if (gone.length > 0) {
      const keys = JSON.stringify(gone.map(({ key }) => key));
      statements.unshift(bound("deleteBulk", text(keys)));
    }
    if (conditions.length > 0) {
      statements.unshift(bound("guard", text(JSON.stringify(conditions)), now()));
    }
    await d1.batch(statements, (text) => {
      const broken = conditions[brokenCondition(text) ?? -1];
      return broken && mismatch(broken[0]);
    });
  }

  function toRow(key: string, value: StoredValue, ttl: number | undefined) {
    const [stored, binary] = toColumns(value);
    if (sizeOf(key) + sizeOf(stored) + ROW_REST > MAX_ROW)
      throw tooLarge(`the item ${key.slice(0, 100)}`);
    const end = expiryOf(ttl, clock);
    const expires = end === undefined ? null : format(end);
    return [key, stored, binary, random.uuid(), now(), expires] as const;
  }

  /** D1 repeats by itself only what reads; should it repeat a write, a mismatch could come from that write itself. */
  function settle(key: string, { results, meta }: Answer): void {
    if (results.length > 0) return;
    if ((meta.total_attempts ?? 1) === 1) throw mismatch(key);
    throw new ComponentError(
      "unavailable",
      `component ${name}: D1 tried the write of ${key} more than once, so it may be there: read it again`,
    );
  }

  function cleanUp(call: Call): void {
    const time = clock.now();
    if (settings.cleanupInterval === 0 || time - cleaned < settings.cleanupInterval) return;
    cleaned = time;
    // Other isolates clean up too; the time of the last one is in the database.
    const before = format(Math.floor((time - settings.cleanupInterval) / 1000));
    call.waitUntil(d1.batch([bound("sweep", now(), before), bound("swept", now(), before)]));
  }

  function text(value: string): string {
    if (sizeOf(value) > MAX_ROW) throw tooLarge("what the keys come to");
    return value;
  }

  function tooLarge(what: string): ComponentError {
    return new ComponentError(
      "invalid",
      `component ${name}: ${what} is too large for D1, which takes ${MAX_ROW} bytes: nothing was written`,
    );
  }
}

function itemOrError(row: Row | undefined): StoredItem | ComponentError | undefined {
  try {
    return row && toItem(row);
  } catch (error) {
    if (ComponentError.is(error)) return error;
    throw error;
  }
}

function mismatch(key: string): ComponentError {
  return new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
}

/** Bytes of the text, counted only where it could be too large: UTF-8 takes up to three for a UTF-16 unit. */
function sizeOf(text: string): number {
  return text.length * 3 <= MAX_ROW ? text.length : new TextEncoder().encode(text).byteLength;
}

function tablesOf(settings: Settings<typeof fields>, component: string): [string, string] {
  const table = identifier("tableName");
  const metadata = identifier("metadataTableName");
  if (table.toLowerCase() !== metadata.toLowerCase()) return [table, metadata];
  throw new ComponentError(
    "config",
    `component ${component}: tableName and metadataTableName must be two tables, not both ${table}`,
  );

  /** Quoted, so that it may be a word of SQL's. */
  function identifier(setting: "tableName" | "metadataTableName"): string {
    const text = settings[setting];
    if (/^[A-Za-z0-9_]+$/.test(text) && !/^(sqlite|_cf)_/i.test(text)) return `"${text}"`;
    throw new ComponentError(
      "config",
      `component ${component}: ${setting} ${JSON.stringify(text)} may hold only letters, digits and _, and not begin with sqlite_ or _cf_`,
    );
  }
}

function databaseOf(binding: string, { env }: Host, component: string): Database {
  const database = env[binding] as Partial<Database> | undefined;
  if (typeof database?.prepare === "function" && typeof database.batch === "function")
    return database as Database;
  throw new ComponentError(
    "config",
    `component ${component}: the setting binding is ${binding}, and no D1 database of that name is bound. Add to wrangler.toml:

  [[d1_databases]]
  binding = "${binding}"
  database_name = "<its name>"
  database_id = "<its id, from: wrangler d1 create>"
`,
  );
}
