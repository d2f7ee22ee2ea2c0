import type { KeyPage, Precondition } from "../../src/contracts/state.ts";
import { ComponentError, type ErrorKind } from "../../src/errors.ts";
import type { ObjectStorage, SqlValue } from "./_object.ts";

/** A row as it lies in the object and crosses to the Worker: JSON is text, bytes are a blob. */
export interface StateRow {
  readonly value: string | ArrayBuffer;
  readonly etag: string;
  /** Seconds since the epoch. */
  readonly expires: number | null;
}

/** An upsert carries its new ETag, made by the caller; a delete carries none. */
export interface ObjectOperation {
  readonly key: string;
  readonly when: Precondition | undefined;
  readonly row: StateRow | undefined;
}

/** Errors cross as values: RPC drops an error's own properties on older compatibility dates. */
export interface Refusal {
  readonly failed: ErrorKind;
  readonly message: string;
}

/** What PillionObject answers of state, over RPC. */
export interface StateStub {
  stateGet(key: string, now: number): Promise<StateRow | undefined>;
  stateGetBulk(keys: readonly string[], now: number): Promise<readonly (StateRow | undefined)[]>;
  stateApply(operation: ObjectOperation, now: number): Promise<Refusal | undefined>;
  stateTransaction(
    operations: readonly ObjectOperation[],
    now: number,
  ): Promise<Refusal | undefined>;
  stateList(
    prefix: string,
    limit: number,
    cursor: string | undefined,
    now: number,
  ): Promise<KeyPage>;
}

/**
 * The state that one Durable Object holds. Each call runs in one synchronous turn, so nothing comes between its
 * reads and its writes. `now` is the caller's clock, in seconds since the epoch.
 */
export class StateObject {
  readonly #storage: ObjectStorage;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
    migrate(storage);
  }

  get(key: string, now: number): StateRow | undefined {
    return this.#rows(
      "SELECT value, etag, expires FROM state WHERE key = ? AND (expires IS NULL OR expires > ?)",
      key,
      now,
    )[0];
  }

  /** The first of the keys, as many as fit in one answer; at least one. */
  getBulk(keys: readonly string[], now: number): (StateRow | undefined)[] {
    const rows: (StateRow | undefined)[] = [];
    let size = 0;
    for (const key of keys) {
      if (size > MAX_ANSWER) break;
      const row = this.get(key, now);
      rows.push(row);
      size += typeof row?.value === "string" ? row.value.length * 3 : (row?.value.byteLength ?? 0);
    }
    return rows;
  }

  apply(operation: ObjectOperation, now: number): Refusal | undefined {
    return refusalOf(() => this.#apply(operation, now));
  }

  transaction(operations: readonly ObjectOperation[], now: number): Refusal | undefined {
    return refusalOf(() =>
      this.#storage.transactionSync(() => {
        for (const operation of operations) this.#apply(operation, now);
      }),
    );
  }

  list(prefix: string, limit: number, cursor: string | undefined, now: number): KeyPage {
    const rows = this.#storage.sql
      .exec(
        `SELECT key FROM state WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 AND key > ?2
           AND (expires IS NULL OR expires > ?3) ORDER BY key LIMIT ?4`,
        prefix,
        cursor ?? "",
        now,
        limit + 1,
      )
      .toArray();
    const keys = rows.slice(0, limit).map(({ key }) => key as string);
    return { keys, cursor: rows.length > limit ? keys.at(-1) : undefined };
  }

  /** Removes what has ended; returns when the next item does, in seconds, if one does. */
  sweep(now: number): number | undefined {
    this.#storage.sql.exec("DELETE FROM state WHERE expires <= ?", now);
    const [row] = this.#storage.sql.exec("SELECT min(expires) AS next FROM state").toArray();
    return (row?.next as number | null) ?? undefined;
  }

  #apply({ key, when, row }: ObjectOperation, now: number): void {
    if (when !== undefined) this.#check(key, when, now);
    const { sql } = this.#storage;
    if (row === undefined) sql.exec("DELETE FROM state WHERE key = ?", key);
    else {
      const { value, etag, expires } = row;
      sql.exec(
        "INSERT OR REPLACE INTO state (key, value, etag, expires) VALUES (?, ?, ?, ?)",
        key,
        value,
        etag,
        expires,
      );
    }
  }

  #check(key: string, when: Precondition, now: number): void {
    const etag = this.get(key, now)?.etag;
    if (when === "absent" ? etag === undefined : etag === when.etag) return;
    throw new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
  }

  #rows(query: string, ...bindings: SqlValue[]): StateRow[] {
    // The table's own types say what its rows hold.
    return this.#storage.sql.exec(query, ...bindings).toArray() as unknown as StateRow[];
  }
}

function refusalOf(work: () => void): Refusal | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (ComponentError.is(error)) return { failed: error.kind, message: error.message };
    throw error;
  }
}

/** Bytes after which an answer takes no further row: with one more of 2 MB it stays below workerd's 32 MiB. */
const MAX_ANSWER = 24_000_000;

const VERSION = 1;

/** A column's own type says whether a value is JSON or bytes. */
function migrate({ sql }: ObjectStorage): void {
  sql.exec(
    "CREATE TABLE IF NOT EXISTS pillion (block TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
  );
  const [row] = sql.exec("SELECT version FROM pillion WHERE block = 'state'").toArray();
  if (row?.version === VERSION) return;
  if (row) {
    throw new Error(
      `this object's state is of version ${row.version}, and this pillion knows ${VERSION}: deploy a newer one`,
    );
  }
  sql.exec(
    "CREATE TABLE state (key TEXT PRIMARY KEY, value ANY NOT NULL, etag TEXT NOT NULL, expires INTEGER) WITHOUT ROWID, STRICT",
  );
  sql.exec("CREATE INDEX state_expires ON state (expires) WHERE expires IS NOT NULL");
  sql.exec("INSERT INTO pillion (block, version) VALUES ('state', ?)", VERSION);
}
