import { ComponentError, messageOf } from "../../src/errors.ts";
import { MIGRATION } from "../_sqlite-layout.ts";
import type { Queries } from "./_d1-table.ts";

/** The parts of D1 that pillion uses, typed so that Cloudflare's own types fit. */
export interface Database {
  prepare(query: string): Statement;
  batch(statements: Statement[]): Promise<Answer[]>;
}

export interface Statement {
  bind(...values: (string | number | null)[]): Statement;
  all(): Promise<Answer>;
}

export interface Answer {
  readonly results: readonly Readonly<Record<string, unknown>>[];
  readonly meta: { readonly total_attempts?: number };
}

/** Says what an error of D1 means to whoever asked, where it means something to them. */
export type Explain = (text: string) => ComponentError | undefined;

export interface Connection {
  one(statement: Statement): Promise<Answer>;
  /** One transaction. */
  batch(statements: Statement[], explain?: Explain): Promise<Answer[]>;
  /** Throws "config" for a table that is not Dapr's, and for one of a version that is not known. */
  check(): Promise<void>;
}

/** The table is made when it turns out to be missing, so that calls pay nothing for asking whether it is there. */
export function connection(database: Database, queries: Queries, component: string): Connection {
  return {
    one: (statement) => attempt(() => statement.all()),
    batch: (statements, explain) => attempt(() => database.batch(statements), explain),
    async check() {
      const asked = [queries.probe, queries.level].map((query) => database.prepare(query));
      const [, level] = await attempt(() => database.batch(asked));
      checkLevel(level);
    },
  };

  async function attempt<T>(work: () => Promise<T>, explain?: Explain): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (!/no such table/.test(messageOf(cause))) throw failure(cause, explain);
    }
    try {
      // Nothing was done yet: a missing table fails a statement, and with it the batch that it is part of.
      await create();
      return await work();
    } catch (cause) {
      throw failure(cause, explain);
    }
  }

  async function create(): Promise<void> {
    const prepared = (...names: (keyof Queries)[]) =>
      database.batch(names.map((name) => database.prepare(queries[name])));
    const [, level] = await prepared("createMetadata", "level");
    checkLevel(level);
    await prepared("create", "migrated");
  }

  function checkLevel(answer: Answer | undefined): void {
    const level = answer?.results[0]?.value;
    if (level === undefined || level === MIGRATION) return;
    throw new ComponentError(
      "config",
      `component ${component}: its tables are at migration ${level}, and this version knows ${MIGRATION}: upgrade pillion`,
    );
  }

  function failure(cause: unknown, explain?: Explain): ComponentError {
    if (ComponentError.is(cause)) return cause;
    const text = messageOf(cause);
    const explained = explain?.(text);
    if (explained) return explained;
    if (/no such column|has no column named/.test(text)) {
      return new ComponentError(
        "config",
        `component ${component}: its table is not one of Dapr's (${text}): name another in tableName`,
        { cause },
      );
    }
    const kind = /SQLITE_TOOBIG|too big/.test(text) ? "invalid" : "unavailable";
    return new ComponentError(kind, `component ${component}: D1 did not do it: ${text}`, { cause });
  }
}
