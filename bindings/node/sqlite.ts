import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Settings } from "../../src/contracts/component.ts";
import type { Clock, Host } from "../../src/contracts/host.ts";
import {
  expiryOf,
  type Precondition,
  type StateOperation,
  type StateStore,
  type StoredItem,
  type StoredValue,
  stateStore,
} from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { connection, transact } from "./_sqlite.ts";

const fields = {
  connectionString: {
    type: "string",
    required: true,
    description:
      "Path of the database file, `file:` and a path (`?mode=ro` opens it read-only), or `:memory:`. Folder and file are made if they are missing.",
  },
  busyTimeout: {
    type: "duration",
    default: 2,
    description: "How long a call waits while another process holds the file.",
  },
  disableWAL: {
    type: "boolean",
    default: false,
    description: "Use a rollback journal, for file systems on which write-ahead logs do not work.",
  },
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
    default: 0,
    description:
      "Least time between two removals of expired rows, made by a write; 0 leaves them. Expired rows are never read.",
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

interface Row {
  readonly key: string;
  readonly value: string;
  readonly is_binary: number;
  readonly etag: string;
  readonly expiration_time: string | null;
}

function sqliteStore(settings: Settings<typeof fields>, host: Host, name: string): StateStore {
  const { clock, random } = host;
  const table = identifier(settings.tableName, "tableName", name);
  const metadata = identifier(settings.metadataTableName, "metadataTableName", name);
  let statements: Statements | undefined;
  let cleaned = 0;
  const file = connection(name, host, {
    connectionString: settings.connectionString,
    busyTimeoutMs: settings.busyTimeout,
    wal: !settings.disableWAL,
    prepare(database) {
      migrate(database, table, metadata, name);
      statements = prepare(database, table);
    },
  });

  return {
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

    delete: (key, { etag }, call) => file.run(call, () => remove(key, etag)),

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
    if (operation.operation === "delete") remove(operation.key, operation.etag);
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

  function remove(key: string, etag: string | undefined): void {
    if (etag === undefined) sql().delete.run(key);
    else if (sql().deleteMatch.run(key, etag, stamp(clock)).changes === 0) throw mismatch(key);
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

type Statements = ReturnType<typeof prepare>;

/** The time is a parameter of every statement, so that SQLite's own clock decides nothing. */
function prepare(database: DatabaseSync, table: string) {
  const statement = (sql: string): StatementSync => database.prepare(sql);
  const columns = "key, value, is_binary, etag, expiration_time";
  const alive = "(expiration_time IS NULL OR expiration_time > ?)";
  return {
    get: statement(`SELECT ${columns} FROM ${table} WHERE key = ? AND ${alive}`),
    getBulk: statement(
      `SELECT ${columns} FROM ${table} WHERE key IN (SELECT value FROM json_each(?)) AND ${alive}`,
    ),
    set: statement(
      `INSERT OR REPLACE INTO ${table} (key, value, is_binary, etag, update_time, expiration_time) VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    // An expired row gives way; a living one makes the insert change nothing.
    insert: statement(
      `INSERT INTO ${table} (key, value, is_binary, etag, update_time, expiration_time) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_binary = excluded.is_binary, etag = excluded.etag,
         update_time = excluded.update_time, expiration_time = excluded.expiration_time
       WHERE ${table}.expiration_time <= excluded.update_time`,
    ),
    update: statement(
      `UPDATE ${table} SET value = ?, is_binary = ?, etag = ?, update_time = ?, expiration_time = ? WHERE key = ? AND etag = ? AND ${alive}`,
    ),
    delete: statement(`DELETE FROM ${table} WHERE key = ?`),
    deleteMatch: statement(`DELETE FROM ${table} WHERE key = ? AND etag = ? AND ${alive}`),
    list: statement(
      `SELECT key FROM ${table} WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) AND key > ?3
         AND (expiration_time IS NULL OR expiration_time > ?4) ORDER BY key LIMIT ?5`,
    ),
  };
}

/** The level that Dapr's own store writes; it would repeat its migrations where it finds another. */
const MIGRATION = "1";

function migrate(database: DatabaseSync, table: string, metadata: string, component: string): void {
  if (hasTable(database, table) && levelOf(database, metadata) === MIGRATION) return;
  transact(database, "EXCLUSIVE", () => {
    // Another process may have been first while this one waited.
    const level = levelOf(database, metadata);
    if (level !== undefined && level !== MIGRATION) {
      throw new ComponentError(
        "config",
        `component ${component}: table ${metadata} is at migration ${level}, and this version knows ${MIGRATION}: upgrade pillion`,
      );
    }
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${metadata} (key text NOT NULL PRIMARY KEY, value text NOT NULL)`,
    );
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${table} (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL,
        is_binary BOOLEAN NOT NULL,
        etag TEXT NOT NULL,
        expiration_time TIMESTAMP DEFAULT NULL,
        update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
      )`,
    );
    database
      .prepare(`INSERT OR REPLACE INTO ${metadata} (key, value) VALUES ('migrations', ?)`)
      .run(MIGRATION);
  });
}

function levelOf(database: DatabaseSync, metadata: string): string | undefined {
  if (!hasTable(database, metadata)) return undefined;
  return database.prepare(`SELECT value FROM ${metadata} WHERE key = 'migrations'`).get()?.value as
    | string
    | undefined;
}

function hasTable(database: DatabaseSync, table: string): boolean {
  return (
    database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !==
    undefined
  );
}

function toItem(row: Row | undefined): StoredItem | undefined {
  if (!row) return undefined;
  const value = row.is_binary
    ? { bytes: new Uint8Array(Buffer.from(row.value, "base64")) }
    : { json: row.value };
  const expires =
    row.expiration_time === null
      ? undefined
      : Date.parse(`${row.expiration_time.replace(" ", "T")}Z`) / 1000;
  return { value, etag: row.etag, expires };
}

/** Now, to the second below, as {@link format} writes it. */
function stamp(clock: Clock): string {
  return format(Math.floor(clock.now() / 1000));
}

/** SQLite's text form of seconds since the epoch, in UTC. */
function format(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
}

/** The first text in SQLite's order (by code point) that is past every text that starts with `prefix`. */
function after(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    // U+D800 to U+DFFF are surrogates, no characters of their own.
    if (last < 0x10ffff)
      return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}

function identifier(text: string, setting: string, component: string): string {
  if (/^[A-Za-z0-9_]+$/.test(text)) return text;
  throw new ComponentError(
    "config",
    `component ${component}: ${setting} ${JSON.stringify(text)} may hold only letters, digits and _`,
  );
}

function mismatch(key: string): ComponentError {
  return new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
}
