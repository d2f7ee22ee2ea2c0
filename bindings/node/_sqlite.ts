import type { DatabaseSync } from "node:sqlite";
import type { Call, Host } from "../../src/contracts/host.ts";
import { ComponentError, type ErrorKind } from "../../src/errors.ts";

/** Runs synchronous work on the connection and waits, without blocking the process, while others hold the file. */
export interface Connection {
  run<T>(call: Call, work: (database: DatabaseSync) => T): Promise<T>;
  /** Opens the file if it is not open yet; throws what SQLite throws. */
  native(): DatabaseSync;
  close(): void;
}

export interface ConnectionOptions {
  /** A path, `file:` and a path with `?mode=ro` or not, or `:memory:`. */
  readonly connectionString: string;
  readonly busyTimeoutMs: number;
  readonly wal: boolean;
  /** Called once on each new connection; may throw "busy" and is then called again. */
  prepare(database: DatabaseSync): void;
}

export function connection(component: string, host: Host, options: ConnectionOptions): Connection {
  const { clock, random } = host;
  const { path, readOnly } = parse(options.connectionString, component);
  let database: DatabaseSync | undefined;

  return {
    async run(call, work) {
      const began = clock.now();
      const until = Math.min(began + options.busyTimeoutMs, call.deadline ?? Infinity);
      for (let attempt = 0; ; attempt++) {
        try {
          return work(open());
        } catch (error) {
          if (!isSqliteError(error)) throw error;
          if (!isBusy(error) || clock.now() >= until) {
            throw translate(error, clock.now() - began);
          }
        }
        await clock.sleep(1 + random.number() * 2 ** Math.min(attempt, 4), call.signal);
      }
    },
    native: open,
    close() {
      database?.close();
      database = undefined;
    },
  };

  function open(): DatabaseSync {
    if (database) return database;
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    if (path !== ":memory:" && !readOnly) createFolder(path);
    const opened = new DatabaseSync(path, { readOnly });
    try {
      if (!readOnly) {
        opened.exec(`PRAGMA journal_mode = ${options.wal ? "WAL" : "DELETE"}`);
        // WAL's own default would lose the last commits when the machine loses power.
        opened.exec("PRAGMA synchronous = FULL");
      }
      options.prepare(opened);
    } catch (error) {
      opened.close();
      throw error;
    }
    database = opened;
    return opened;
  }

  function translate(error: SqliteError, waitedMs: number): ComponentError {
    const [kind, text] = explain(error.errcode & 0xff, path, waitedMs);
    return new ComponentError(kind, `component ${component}: ${text} (SQLite: ${error.message})`, {
      cause: error,
    });
  }
}

function parse(connectionString: string, component: string): { path: string; readOnly: boolean } {
  if (!connectionString.startsWith("file:")) return { path: connectionString, readOnly: false };
  const [path = "", query = ""] = connectionString.replace(/^file:(\/\/(?=\/))?/, "").split("?", 2);
  const { mode = "rwc", ...others } = Object.fromEntries(new URLSearchParams(query));
  if (path !== "" && (mode === "ro" || mode === "rwc") && Object.keys(others).length === 0) {
    return { path, readOnly: mode === "ro" };
  }
  throw new ComponentError(
    "config",
    `component ${component}: connectionString ${connectionString} is not a path, file:path or :memory:; of SQLite's parameters only mode=ro and mode=rwc are known`,
  );
}

function createFolder(path: string): void {
  const { dirname } = process.getBuiltinModule("node:path");
  try {
    process.getBuiltinModule("node:fs").mkdirSync(dirname(path), { recursive: true });
  } catch {
    // SQLite says next that it cannot open the file, and that is translated.
  }
}

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && typeof (error as { errcode?: unknown }).errcode === "number";
}

const BUSY = 5;
const LOCKED = 6;

function isBusy({ errcode }: SqliteError): boolean {
  return (errcode & 0xff) === BUSY || (errcode & 0xff) === LOCKED;
}

/** SQLite's primary result codes, as sqlite.org/rescode.html has them. */
function explain(code: number, path: string, waitedMs: number): [ErrorKind, string] {
  switch (code) {
    case BUSY:
    case LOCKED:
      return [
        "unavailable",
        `${path} is locked by another process, and was so for ${waitedMs} ms: raise busyTimeout, or end whoever holds it`,
      ];
    case 8:
      return [
        "config",
        `${path} is read-only: let this user write the file and its folder, or set connectionString to another`,
      ];
    case 11:
    case 26:
      return [
        "config",
        `${path} is not a SQLite database or is damaged: set connectionString to another file, or restore it`,
      ];
    case 13:
      return ["unavailable", `the disk that holds ${path} is full: nothing was written`];
    case 14:
      return [
        "config",
        `${path} cannot be opened: it must exist or be creatable, and this user must be let in; or set connectionString to another`,
      ];
    case 18:
      return ["invalid", "the value is larger than SQLite takes: nothing was written"];
    default:
      return ["unavailable", `SQLite failed on ${path}`];
  }
}

/** Runs `work` in one write transaction, and undoes it if it throws. */
export function transact<T>(
  database: DatabaseSync,
  begin: "IMMEDIATE" | "EXCLUSIVE",
  work: () => T,
): T {
  database.exec(`BEGIN ${begin}`);
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk rolls back by itself, and then there is nothing to roll back.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** The level that the tables were made at, as a table of versions has it; undefined where there is none. */
export function levelOf(database: DatabaseSync, metadata: string): string | undefined {
  if (!hasTable(database, metadata)) return undefined;
  return database.prepare(`SELECT value FROM ${metadata} WHERE key = 'migrations'`).get()?.value as
    | string
    | undefined;
}

/** `table` is quoted, as statements have it. */
export function hasTable(database: DatabaseSync, table: string): boolean {
  const named =
    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND lower('\"' || name || '\"') = lower(?)";
  return database.prepare(named).get(table) !== undefined;
}
