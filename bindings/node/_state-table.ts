import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../src/contracts/host.ts";
import type { StoredItem } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { createMetadata, createTable, endOf, format, MIGRATION } from "../_sqlite-layout.ts";
import { hasTable, levelOf, transact } from "./_sqlite.ts";

export interface Row {
  readonly key: string;
  readonly value: string;
  readonly is_binary: number;
  readonly etag: string;
  readonly expiration_time: string | null;
}

export type Statements = ReturnType<typeof prepare>;

/** The time is a parameter of every statement, so that SQLite's own clock decides nothing. */
export function prepare(database: DatabaseSync, table: string) {
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

export function migrate(
  database: DatabaseSync,
  table: string,
  metadata: string,
  component: string,
): void {
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
    database.exec(createMetadata(metadata));
    database.exec(createTable(table));
    database
      .prepare(`INSERT OR REPLACE INTO ${metadata} (key, value) VALUES ('migrations', ?)`)
      .run(MIGRATION);
  });
}

export function toItem(row: Row | undefined): StoredItem | undefined {
  if (!row) return undefined;
  const value = row.is_binary
    ? { bytes: new Uint8Array(Buffer.from(row.value, "base64")) }
    : { json: row.value };
  return { value, etag: row.etag, expires: endOf(row.expiration_time) };
}

/** Now, to the second below, as {@link format} writes it. */
export function stamp(clock: Clock): string {
  return format(Math.floor(clock.now() / 1000));
}
