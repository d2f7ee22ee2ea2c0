import type {
  DeleteOptions,
  KeyPage,
  Precondition,
  SetOptions,
  StateOperation,
  StoredItem,
  StoredValue,
} from "../../src/contracts/state.ts";
import { ComponentError, type ErrorKind } from "../../src/errors.ts";
import type { ObjectStorage, SqlValue } from "./_object.ts";

/** What crosses from the Worker to the object, once per call. `now` is the caller's clock, in milliseconds. */
export type StateRequest =
  | { readonly do: "get"; readonly now: number; readonly keys: readonly string[] }
  | ({
      readonly do: "set";
      readonly now: number;
      readonly key: string;
      readonly value: StoredValue;
    } & Write)
  | ({ readonly do: "delete"; readonly now: number; readonly key: string } & DeleteOptions)
  | {
      readonly do: "transaction";
      readonly now: number;
      readonly operations: readonly ObjectOperation[];
    }
  | {
      readonly do: "list";
      readonly now: number;
      readonly prefix: string;
      readonly limit: number;
      readonly cursor: string | undefined;
    };

/** An upsert carries its new ETag, made by the caller, and the time it ends, in seconds. */
export interface Write extends Pick<SetOptions, "when"> {
  readonly etag: string;
  readonly expires: number | undefined;
}

export type ObjectOperation =
  | ({ readonly operation: "upsert"; readonly key: string; readonly value: StoredValue } & Write)
  | Extract<StateOperation, { operation: "delete" }>;

/** Errors cross as values: RPC drops an error's own properties on older compatibility dates. */
export type StateReply =
  | { readonly items: readonly (StoredItem | undefined)[] }
  | { readonly page: KeyPage }
  | { readonly done: true }
  | { readonly failed: ErrorKind; readonly message: string };

/** Answers requests inside a Durable Object. Each runs in one synchronous turn, so nothing comes between its reads and writes. */
export class StateObject {
  readonly #storage: ObjectStorage;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
    migrate(storage);
  }

  handle(request: StateRequest): StateReply {
    try {
      return this.#answer(request);
    } catch (error) {
      if (ComponentError.is(error)) return { failed: error.kind, message: error.message };
      throw error;
    }
  }

  /** Removes what has ended; resolves to when the next item does, in milliseconds, if one does. */
  sweep(now: number): number | undefined {
    this.#storage.sql.exec("DELETE FROM state WHERE expires <= ?", Math.floor(now / 1000));
    const [row] = this.#storage.sql.exec("SELECT min(expires) AS next FROM state").toArray();
    return typeof row?.next === "number" ? row.next * 1000 : undefined;
  }

  #answer(request: StateRequest): StateReply {
    const seconds = Math.floor(request.now / 1000);
    switch (request.do) {
      case "get":
        return { items: request.keys.map((key) => this.#read(key, seconds)) };
      case "set":
        this.#upsert(request, seconds);
        return { done: true };
      case "delete":
        this.#delete(request.key, request.etag, seconds);
        return { done: true };
      case "transaction":
        this.#storage.transactionSync(() => {
          for (const operation of request.operations) {
            if (operation.operation === "upsert") this.#upsert(operation, seconds);
            else this.#delete(operation.key, operation.etag, seconds);
          }
        });
        return { done: true };
      case "list":
        return { page: this.#list(request, seconds) };
    }
  }

  #read(key: string, seconds: number): StoredItem | undefined {
    const [row] = this.#storage.sql
      .exec(
        "SELECT value, etag, expires FROM state WHERE key = ? AND (expires IS NULL OR expires > ?)",
        key,
        seconds,
      )
      .toArray();
    return (
      row && {
        value: toValue(row.value as SqlValue),
        etag: row.etag as string,
        expires: (row.expires as number | null) ?? undefined,
      }
    );
  }

  #upsert(
    { key, value, when, etag, expires }: { key: string; value: StoredValue } & Write,
    seconds: number,
  ): void {
    this.#check(key, when, seconds);
    this.#storage.sql.exec(
      "INSERT OR REPLACE INTO state (key, value, etag, expires) VALUES (?, ?, ?, ?)",
      key,
      "json" in value ? value.json : toBuffer(value.bytes),
      etag,
      expires ?? null,
    );
  }

  #delete(key: string, etag: string | undefined, seconds: number): void {
    this.#check(key, etag === undefined ? undefined : { etag }, seconds);
    this.#storage.sql.exec("DELETE FROM state WHERE key = ?", key);
  }

  #check(key: string, when: Precondition | undefined, seconds: number): void {
    if (when === undefined) return;
    const [row] = this.#storage.sql
      .exec(
        "SELECT etag FROM state WHERE key = ? AND (expires IS NULL OR expires > ?)",
        key,
        seconds,
      )
      .toArray();
    if (when === "absent" ? row === undefined : row?.etag === when.etag) return;
    throw new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
  }

  #list(
    { prefix, limit, cursor }: { prefix: string; limit: number; cursor: string | undefined },
    seconds: number,
  ): KeyPage {
    const rows = this.#storage.sql
      .exec(
        `SELECT key FROM state WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 AND key > ?2
           AND (expires IS NULL OR expires > ?3) ORDER BY key LIMIT ?4`,
        prefix,
        cursor ?? "",
        seconds,
        limit + 1,
      )
      .toArray();
    const keys = rows.slice(0, limit).map(({ key }) => key as string);
    return { keys, cursor: rows.length > limit ? keys.at(-1) : undefined };
  }
}

const VERSION = 1;

/** JSON is kept as text and bytes as a blob, so a column's own type says which it is. */
function migrate({ sql }: ObjectStorage): void {
  sql.exec(
    "CREATE TABLE IF NOT EXISTS pillion (block TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
  );
  const [row] = sql.exec("SELECT version FROM pillion WHERE block = 'state'").toArray();
  if (row?.version === VERSION) return;
  if (row) {
    throw new ComponentError(
      "config",
      `this object's state is of version ${row.version}, and this pillion knows ${VERSION}: deploy a newer one`,
    );
  }
  sql.exec(
    "CREATE TABLE state (key TEXT PRIMARY KEY, value ANY NOT NULL, etag TEXT NOT NULL, expires INTEGER) WITHOUT ROWID, STRICT",
  );
  sql.exec("CREATE INDEX state_expires ON state (expires) WHERE expires IS NOT NULL");
  sql.exec("INSERT INTO pillion (block, version) VALUES ('state', ?)", VERSION);
}

function toValue(value: SqlValue): StoredValue {
  return typeof value === "string"
    ? { json: value }
    : { bytes: new Uint8Array(value as ArrayBuffer) };
}

/** SQL takes whole buffers; bytes may be a view of a part. */
function toBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}
