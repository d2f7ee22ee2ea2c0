import type { Pool as DriverPool } from "pg";
import type { Call, Host } from "../../src/contracts/host.ts";
import type { StateStore, StoredItem } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import { after } from "../_order.ts";
import { inTime, nobody } from "./_deadline.ts";
import { clashed, explain, type Place, stateOf } from "./_postgresql-errors.ts";
import { type Answer, ask, type Parameter, type Statement } from "./_postgresql-exchange.ts";
import { type Layout, mismatch, parametersOf } from "./_postgresql-layouts.ts";
import type { Pool } from "./_postgresql-pool.ts";
import { isMigrated, type Migrations, migrate, type Run } from "./_postgresql-tables.ts";

export interface StoreOptions {
  readonly pool: Pool;
  readonly place: Place;
  readonly layout: Layout;
  readonly migrations: Migrations;
  readonly timeoutMs: number;
  /** 0 leaves expired rows. */
  readonly cleanupMs: number;
  /** Key of the last cleanup in the table of metadata. */
  readonly cleanupKey: string;
  /** Whether statements stay prepared on a connection, under a name. */
  readonly named: boolean;
  /** The driver's pool, once there is one. */
  native(): DriverPool | undefined;
}

const ATTEMPTS = 5;
/** Numbering the rows of a large table takes its time. */
const MIGRATION_MS = 600_000;
/** Another process may hold the lock of the migrations for so long, as Dapr has it. */
const LOCK_MS = 60_000;
/** Few enough that nobody waits long for a row that is being removed. */
const BATCH = 1000;

export function createStore(host: Host, options: StoreOptions): StateStore {
  const { pool, place, layout, migrations, timeoutMs, cleanupMs, cleanupKey, named } = options;
  const { clock, random } = host;
  const metadata = migrations.metadata.quoted;
  const { get, getBulk, list, listToEnd, clean: cleanText, ...writes } = layout.texts;
  const reads = { get, getBulk, list, listToEnd };
  const read = prepared(reads, false);
  const write = prepared(writes, true);
  const clean: Statement = { text: cleanText };
  const claim: Statement = {
    text: `INSERT INTO ${metadata} AS m (key, value) VALUES ($1, to_char(now(), 'YYYY-MM-DD HH24:MI:SS.US TZH:TZM')) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE (extract(epoch FROM now() - m.value::timestamp with time zone) * 1000)::bigint > $2::bigint`,
  };
  let ready = false;
  let preparing: Promise<void> | undefined;
  let cleaned = 0;

  const store = {
    init: (call) => translated(call, false, () => prepare(call, timeoutMs)),

    async get(key, _options, call) {
      const { rows } = await run(call, read.get, [key]);
      return rows[0] && sound(layout.item(rows[0]));
    },

    async getBulk(keys, _options, call) {
      const { rows } = await run(call, read.getBulk, [keys]);
      const items = new Map(rows.map((row) => [row.at(-1), layout.item(row)]));
      return keys.map((key) => items.get(key));
    },

    async set(key, value, { when, ttl = null }, call) {
      layout.check(key, when);
      const { columns, etag } = layout.write(value);
      const values: Parameter[] = [key, ...columns, ttl];
      if (typeof when === "object") values.push(when.etag);
      const statement =
        when === undefined ? write.set : when === "absent" ? write.insert : write.update;
      const { rows, count } = await run(call, statement, values);
      if (count === 0) throw mismatch(key);
      cleanUp(call);
      return etag ?? (rows[0]?.[0] as string);
    },

    async delete(key, { when }, call) {
      layout.check(key, when);
      if (when === undefined) await run(call, write.delete, [key]);
      else if ((await run(call, write.deleteMatch, [key, when.etag])).count === 0)
        throw mismatch(key);
    },

    async transaction(operations, call) {
      const [first] = operations;
      if (first && operations.length === 1) {
        if (first.operation === "delete") await store.delete(first.key, first, call);
        else await store.set(first.key, first.value, first, call);
        return;
      }
      const { rows } = await run(call, write.transaction, parametersOf(layout, operations));
      const stale = rows[0]?.[0];
      if (typeof stale === "string") throw mismatch(stale);
      cleanUp(call);
    },

    async list(prefix, limit, cursor = "", call) {
      const end = after(prefix);
      const statement = end === null ? read.listToEnd : read.list;
      const { rows } = await run(call, statement, [prefix, cursor, limit + 1, end]);
      const keys = rows.slice(0, limit).map(([key]) => key as string);
      return { keys, cursor: rows.length > limit ? keys.at(-1) : undefined };
    },

    native() {
      const pool = options.native();
      if (pool) return pool;
      const text = `component ${place.component} has no pool of connections before its first call`;
      throw new ComponentError("unavailable", text);
    },

    close: () => pool.close(),
  } satisfies StateStore;
  return store;

  /** One statement, made again where the server undid it because of other writers. */
  async function run(
    call: Call,
    statement: Statement,
    values: readonly Parameter[],
  ): Promise<Answer> {
    const until = clock.now() + timeoutMs;
    for (let attempt = 1; ; attempt++) {
      try {
        if (!ready) await prepare(call, until - clock.now());
        return await pool.query(call, until - clock.now(), statement, values);
      } catch (error) {
        if (attempt === ATTEMPTS || !clashed(error) || clock.now() >= until)
          throw translate(error, call, statement.writes ?? false);
      }
      await clock.sleep(random.number() * 2 ** attempt, call.signal);
    }
  }

  async function translated<T>(call: Call, changes: boolean, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translate(error, call, changes);
    }
  }

  function translate(error: unknown, { signal }: Call, changes: boolean): unknown {
    return signal?.aborted && error === signal.reason ? error : explain(error, place, changes);
  }

  /** Once per process, for whoever comes first; the others wait for the same, each for as long as it can. */
  async function prepare(call: Call, limitMs: number): Promise<void> {
    preparing ??= makeTables()
      .then(() => {
        ready = true;
      })
      .finally(() => {
        preparing = undefined;
      });
    const { component, server, tables } = place;
    await inTime(
      preparing,
      call,
      limitMs,
      () =>
        `component ${component}: ${tables} were not ready within the time of the call, at most ${limitMs} ms: PostgreSQL at ${server} does not answer, or somebody migrates them`,
    );
  }

  async function makeTables(): Promise<void> {
    const { component } = place;
    const look: Run = async (text, values = []) =>
      (await pool.query(nobody, timeoutMs, { text }, values)).rows;
    try {
      if (await isMigrated(migrations, look, component)) return;
    } catch (error) {
      if (stateOf(error) !== UNDEFINED_TABLE) throw error;
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await pool.session(nobody, MIGRATION_MS, (client) =>
          migrate(
            migrations,
            async (text, values) => (await timely(text, ask(client, { text }, values))).rows,
            component,
          ),
        );
      } catch (error) {
        if (attempt === ATTEMPTS || !isRace(error)) throw error;
      }
      await clock.sleep(random.number() * 50);
    }
  }

  /** A connection that fell silent is not waited for as long as the numbering of a large table may take. */
  function timely<T>(text: string, work: Promise<T>): Promise<T> {
    const { component, server } = place;
    const limitMs = /^\s*(UPDATE|WITH)/i.test(text) ? MIGRATION_MS : timeoutMs + LOCK_MS;
    const silent = `component ${component}: PostgreSQL at ${server} did not answer a migration within ${limitMs} ms`;
    return inTime(work, nobody, limitMs, () => silent);
  }

  /** Once per interval among all who use the tables: whoever writes first after it claims the work. */
  function cleanUp(call: Call): void {
    if (cleanupMs === 0 || clock.now() - cleaned < cleanupMs) return;
    cleaned = clock.now();
    call.waitUntil(removeExpired());
  }

  async function removeExpired(): Promise<void> {
    const { count } = await run(nobody, claim, [cleanupKey, cleanupMs - SLACK_MS]);
    if (count === 0) return;
    while ((await run(nobody, clean, [BATCH])).count === BATCH);
  }

  function prepared<T extends Record<string, string>>(texts: T, changes: boolean) {
    const { hash } = process.getBuiltinModule("node:crypto");
    const entries = Object.entries(texts).map(([purpose, text]) => {
      // Named after its text: two components may share a connection of the user's.
      const name = named ? `pillion-${hash("sha1", text)}` : undefined;
      return [purpose, { name, text, writes: changes } satisfies Statement];
    });
    return Object.fromEntries(entries) as { readonly [K in keyof T]: Statement };
  }
}

const UNDEFINED_TABLE = "42P01";
/** As Dapr has it, for two processes whose timers differ a little. */
const SLACK_MS = 100;

/** Two made the same table, type or index at once. */
function isRace(error: unknown): boolean {
  return clashed(error) || ["23505", "42P07", "42710"].includes(stateOf(error) ?? "");
}

function sound(item: StoredItem | ComponentError): StoredItem {
  if (item instanceof ComponentError) throw item;
  return item;
}
