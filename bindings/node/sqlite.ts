import type { DatabaseSync } from "node:sqlite";
import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { pubSub } from "../../src/contracts/pubsub.ts";
import {
  expiryOf,
  type Precondition,
  type StateOperation,
  type StateStore,
  type StoredValue,
  stateStore,
} from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { after } from "../_order.ts";
import { format } from "../_sqlite-layout.ts";
import { connection, transact } from "./_sqlite.ts";
import { sqliteQueue } from "./_sqlite-queue.ts";
import { migrate, prepare, type Row, type Statements, stamp, toItem } from "./_state-table.ts";

const connectionString = {
  type: "string",
  required: true,
  aliases: ["url"],
  description:
    "Path of the database file, `file:` and a path (`?mode=ro` opens it read-only), or `:memory:`. Folder and file are made if they are missing.",
} as const;

const busyTimeout = {
  type: "duration",
  default: 2,
  description: "How long a call waits while another process holds the file.",
} as const;

const disableWAL = {
  type: "boolean",
  default: false,
  description: "Use a rollback journal, for file systems on which write-ahead logs do not work.",
} as const;

const fields = {
  connectionString,
  busyTimeout,
  timeout: {
    type: "duration",
    aliases: ["timeoutInSeconds"],
    default: 20,
    description:
      "Most time for a call. Only waiting takes long, so the shorter of it and busyTimeout holds.",
  },
  disableWAL,
  tableName: {
    type: "string",
    default: "state",
    description: "Table of the items; letters, digits and _.",
  },
  metadataTableName: {
    type: "string",
    default: "metadata",
    description: "Table that holds the schema's version.",
  },
  cleanupInterval: {
    type: "duration",
    aliases: ["cleanupIntervalInSeconds"],
    negative: "off",
    default: 0,
    description:
      "Least time between two removals of expired rows, made by a write; 0 leaves them. Expired rows are never read.",
  },
} as const;

const queueFields = {
  connectionString,
  busyTimeout,
  disableWAL,
  processingTimeout: {
    type: "duration",
    default: 60,
    description:
      "Time that a handler has for a message. Then, or when its process has died, another gets it.",
  },
  redeliverInterval: {
    type: "duration",
    default: 1,
    description: "Time before a message comes again whose handler failed and names no other time.",
  },
  concurrency: {
    type: "number",
    default: 10,
    description: "Handlers at a time of a subscription that says nothing else.",
  },
} as const;

/** State in one SQLite file, in Dapr's table, safe between processes. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.sqlite",
  runsOn: ["node"],
  clock: "host",
  fields,
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open: sqliteStore,
});

/**
 * Topics in one SQLite file, for the processes of one machine. A message goes to the groups (one per `consumerID` and topic)
 * that there are when it is published, and waits for those of which no process runs. Dead letters that nobody subscribes to are
 * kept for the group that they come from. A topic that ends in `*` stands for
 * every longer one that begins as it does. A group that nobody consumes any more is dropped, with what waits for it, by
 * `DELETE FROM pubsub_groups WHERE consumer = … AND topic = …` through `native()` or any other client of SQLite.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.sqlite",
  runsOn: ["node"],
  fields: queueFields,
  features: () => ["MESSAGE_TTL", "SUBSCRIBE_WILDCARDS", "BULK_PUBSUB", "DELAY", "ORDERING"],
  open: sqliteQueue,
});

function sqliteStore(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const { clock, random } = host;
  const table = identifier(settings.tableName, "tableName", name);
  const metadata = identifier(settings.metadataTableName, "metadataTableName", name);
  if (table.toLowerCase() === metadata.toLowerCase()) {
    throw new ComponentError(
      "config",
      `component ${name}: tableName and metadataTableName must be two tables, not both ${table}`,
    );
  }
  let statements: Statements | undefined;
  let cleaned = 0;
  const file = connection(name, host, {
    connectionString: settings.connectionString,
    busyTimeoutMs: Math.min(settings.busyTimeout, settings.timeout),
    wal: !settings.disableWAL,
    prepare(database) {
      migrate(database, table, metadata, name);
      statements = prepare(database, table);
    },
  });

  return {
    init: (call) => file.run(call, () => undefined),

    get: (key, _options, call) =>
      file.run(call, () => toItem(sql().get.get(key, stamp(clock)) as Row | undefined)),

    getBulk: (keys, _options, call) =>
      file.run(call, () => {
        const rows = sql().getBulk.all(JSON.stringify(keys), stamp(clock)) as unknown as Row[];
        const items = new Map(rows.map((row) => [row.key, toItem(row)]));
        return keys.map((key) => items.get(key));
      }),

    set: (key, value, { when, ttl }, call) =>
      file.run(call, (database) => {
        const etag = write(key, value, when, ttl);
        cleanUp(database);
        return etag;
      }),

    delete: (key, { when }, call) => file.run(call, () => remove(key, when)),

    transaction: (operations, call) =>
      file.run(call, (database) => {
        transact(database, "IMMEDIATE", () => operations.forEach(apply));
        cleanUp(database);
      }),

    list: (prefix, limit, cursor, call) =>
      file.run(call, () => {
        const rows = sql().list.all(
          prefix,
          after(prefix),
          cursor ?? "",
          stamp(clock),
          limit + 1,
        ) as unknown as Row[];
        const keys = rows.slice(0, limit).map(({ key }) => key);
        return { keys, cursor: rows.length > limit ? keys.at(-1) : undefined };
      }),

    native: () => file.native(),

    async close() {
      file.close();
    },
  };

  function sql(): Statements {
    // `file.run` has opened the file and with it prepared the statements.
    return statements as Statements;
  }

  function apply(operation: StateOperation): void {
    if (operation.operation === "delete") remove(operation.key, operation.when);
    else write(operation.key, operation.value, operation.when, operation.ttl);
  }

  function write(
    key: string,
    value: StoredValue,
    when: Precondition | undefined,
    ttl: number | undefined,
  ): string {
    const now = stamp(clock);
    const [text, binary] =
      "json" in value ? [value.json, 0] : [Buffer.from(value.bytes).toString("base64"), 1];
    const etag = random.uuid();
    const ends = expiryOf(ttl, clock);
    const expires = ends === undefined ? null : format(ends);
    if (when === undefined) {
      sql().set.run(key, text, binary, etag, now, expires);
      return etag;
    }
    const { changes } =
      when === "absent"
        ? sql().insert.run(key, text, binary, etag, now, expires)
        : sql().update.run(text, binary, etag, now, expires, key, when.etag, now);
    if (changes === 0) throw mismatch(key);
    return etag;
  }

  function remove(key: string, when: { readonly etag: string } | undefined): void {
    if (when === undefined) sql().delete.run(key);
    else if (sql().deleteMatch.run(key, when.etag, stamp(clock)).changes === 0) throw mismatch(key);
  }

  function cleanUp(database: DatabaseSync): void {
    if (settings.cleanupInterval === 0 || clock.now() - cleaned < settings.cleanupInterval) return;
    cleaned = clock.now();
    database
      .prepare(`DELETE FROM ${table} WHERE expiration_time IS NOT NULL AND expiration_time < ?`)
      .run(stamp(clock));
    database
      .prepare(`INSERT OR REPLACE INTO ${metadata} (key, value) VALUES ('last-cleanup', ?)`)
      .run(stamp(clock));
  }
}

/** Quoted, so that it may be a word of SQL's. */
function identifier(text: string, setting: string, component: string): string {
  if (/^[A-Za-z0-9_]+$/.test(text) && !/^sqlite_/i.test(text)) return `"${text}"`;
  throw new ComponentError(
    "config",
    `component ${component}: ${setting} ${JSON.stringify(text)} may hold only letters, digits and _, and not begin with sqlite_`,
  );
}

function mismatch(key: string): ComponentError {
  return new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
}
