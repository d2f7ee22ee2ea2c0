import { fromBase64, toBase64 } from "../../src/base64.ts";
import type { StateOperation, StoredItem, StoredValue } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { createMetadata, createTable, endOf, MIGRATION } from "../_sqlite-layout.ts";

/** A row of Dapr's table for SQLite, as D1 answers it. */
export interface Row {
  readonly key: string;
  readonly value: string;
  readonly is_binary: number;
  readonly etag: string;
  readonly expiration_time: string | null;
}

/** Marks an error that {@link Queries.guard} made, before the number of the condition that does not hold. */
const GUARD = "pillion";

export type Queries = ReturnType<typeof queriesOf>;

/** Names are quoted. The time is a parameter of every query, so that D1's own clock decides nothing. */
export function queriesOf(table: string, metadata: string) {
  const columns = "key, value, is_binary, etag, expiration_time";
  const alive = (now: string) => `(expiration_time IS NULL OR expiration_time > ${now})`;
  const row = `INTO ${table} (key, value, is_binary, etag, update_time, expiration_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`;
  return {
    get: `SELECT ${columns} FROM ${table} WHERE key = ?1 AND ${alive("?2")}`,
    getBulk: `SELECT ${columns} FROM ${table} WHERE key IN (SELECT value FROM json_each(?1)) AND ${alive("?2")}`,
    set: `INSERT OR REPLACE ${row}`,
    // An expired row gives way; a living one makes the insert change nothing.
    insert: `INSERT ${row}
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, is_binary = excluded.is_binary, etag = excluded.etag,
        update_time = excluded.update_time, expiration_time = excluded.expiration_time
      WHERE ${table}.expiration_time <= excluded.update_time RETURNING 1`,
    update: `UPDATE ${table} SET value = ?2, is_binary = ?3, etag = ?4, update_time = ?5, expiration_time = ?6
      WHERE key = ?1 AND etag = ?7 AND ${alive("?5")} RETURNING 1`,
    delete: `DELETE FROM ${table} WHERE key = ?1`,
    deleteMatch: `DELETE FROM ${table} WHERE key = ?1 AND etag = ?2 AND ${alive("?3")} RETURNING 1`,
    deleteBulk: `DELETE FROM ${table} WHERE key IN (SELECT value FROM json_each(?1))`,
    /**
     * Fails, and with it the batch that it opens, on the first of the conditions `[key, ETag or null for absent]` that
     * does not hold. SQL outside of triggers has no RAISE; a JSON path that is none is an error that quotes it.
     */
    guard: `SELECT json_extract('{}', '${GUARD} ' || wanted.key) FROM json_each(?1) AS wanted
      LEFT JOIN ${table} AS held ON held.key = wanted.value ->> 0 AND ${alive("?2")}
      WHERE held.etag IS NOT wanted.value ->> 1`,
    list: `SELECT key FROM ${table} WHERE key >= ?1 AND key > ?2 AND ${alive("?3")} ORDER BY key LIMIT ?4`,
    /** The table has every column that the others name. */
    probe: `SELECT ${columns}, update_time FROM ${table} LIMIT 0`,
    sweep: `DELETE FROM ${table} WHERE NOT EXISTS
        (SELECT 1 FROM ${metadata} WHERE key = 'last-cleanup' AND value > ?2)
      AND expiration_time IS NOT NULL AND expiration_time < ?1`,
    swept: `INSERT INTO ${metadata} (key, value) VALUES ('last-cleanup', ?1)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE ${metadata}.value <= ?2`,
    level: `SELECT value FROM ${metadata} WHERE key = 'migrations'`,
    createMetadata: createMetadata(metadata),
    create: createTable(table),
    migrated: `INSERT OR IGNORE INTO ${metadata} (key, value) VALUES ('migrations', '${MIGRATION}')`,
  };
}

/** The number of the condition of which an error's text says that it does not hold. */
export function brokenCondition(text: string): number | undefined {
  const found = new RegExp(`'${GUARD} (\\d+)'`).exec(text);
  return found ? Number(found[1]) : undefined;
}

/** What {@link Queries.guard} checks for these operations. */
export function conditionsOf(operations: readonly StateOperation[]): [string, string | null][] {
  return operations.flatMap(({ key, when }) =>
    when === undefined ? [] : [[key, when === "absent" ? null : when.etag]],
  );
}

/** The columns `value` and `is_binary`. */
export function toColumns(value: StoredValue): [string, number] {
  return "json" in value ? [value.json, 0] : [toBase64(value.bytes), 1];
}

/** Throws "corrupt" for bytes that are no base64. */
export function toItem(row: Row): StoredItem {
  const { value, etag, expiration_time: end } = row;
  return {
    value: row.is_binary ? { bytes: bytesOf(row) } : { json: value },
    etag,
    expires: endOf(end),
  };
}

function bytesOf({ key, value }: Row): Uint8Array {
  const bytes = fromBase64(value);
  if (bytes) return bytes;
  throw new ComponentError("corrupt", `key ${key} is marked as bytes and is not base64`);
}
