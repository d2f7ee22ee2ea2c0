import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import * as postgresql from "../../bindings/node/postgresql.ts";
import type { State } from "../../src/blocks/state/api.ts";
import type { Component } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import { ApiError } from "../../src/errors.ts";
import { createRuntime, type Runtime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import {
  type PostgreSQL,
  type PostgreSQLOptions,
  postgresqlAbsent,
  postgresqls,
  startPostgreSQL,
} from "../harness/postgresql.ts";

export const versions = ["v1", "v2"] as const;
export type Version = (typeof versions)[number];

type Options = Omit<Parameters<typeof postgresql.state>[0], "tablePrefix">;

/** Either layout's component, under the options that both have. */
export function component(version: Version, options: Options) {
  return version === "v1" ? postgresql.stateV1(options) : postgresql.state(options);
}

/**
 * Declares tests that share one server, skipped by name where there is none. `all`: once for every PostgreSQL that
 * is found; `first` says which is the first of them.
 */
export function withServer(
  title: string,
  { all = false, ...options }: PostgreSQLOptions & { all?: boolean },
  tests: (server: () => PostgreSQL, first: boolean) => void,
): void {
  const reason = postgresqlAbsent();
  const found = postgresqls().slice(0, all ? undefined : 1);
  const beds = found.length > 0 ? found : [{ title: "PostgreSQL", bin: undefined }];
  for (const [index, { title: version, bin }] of beds.entries()) {
    const name = `${title}, ${version}`;
    describe.skipIf(reason)(reason ? `${name} (skipped: ${reason})` : name, () => {
      let server: PostgreSQL | undefined;
      beforeAll(async () => {
        server = await startPostgreSQL({ ...options, ...(bin && { bin }) });
      });
      afterAll(() => server?.remove());
      tests(() => server as PostgreSQL, index === 0);
    });
  }
}

/** A component for tests that are declared before their server has started. */
export function later(
  make: () => Component<"state">,
  like: Component<"state">,
): Component<"state"> {
  return {
    type: like.type,
    version: like.version,
    fields: like.fields,
    runsOn: like.runsOn,
    clock: like.clock,
    options: like.options,
    features: like.features,
    open: (host, name) => make().open(host, name),
  };
}

const open = new Set<Runtime>();

/** A store in a runtime of its own, which `closeAll` closes. */
export function stateOn(store: Component<"state">, ports: Partial<Host> = {}): State {
  return runtimeOf(store, ports).blocks.state("store");
}

export function runtimeOf(store: Component<"state">, ports: Partial<Host> = {}): Runtime {
  const host = processHost("node", ports);
  const runtime = createRuntime({ id: "app", components: { store }, host });
  open.add(runtime);
  return runtime;
}

export async function closeAll(): Promise<void> {
  await Promise.all([...open].map((runtime) => runtime.close()));
  open.clear();
}

/** A call of whoever can end it. */
export function callOf({ signal, deadline }: Partial<Call>): Call {
  return { signal, deadline, trace: {}, waitUntil() {} };
}

let databases = 0;

/** A new empty database for each test; its connections are closed when the test ends. */
export interface Database {
  url(user?: string): string;
  /** Past pillion, as the superuser. */
  sql<T = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  /** Another empty one in its place, made by `options` of CREATE DATABASE. */
  renew(options?: string): Promise<void>;
  name(): string;
  /** Resolves once so many sessions wait for a lock. */
  waiting(count: number): Promise<void>;
  /** Holds the lock of a row of the app's, until what it resolves to is called. */
  hold(key: string): Promise<() => Promise<void>>;
}

export function freshDatabase(server: () => PostgreSQL): Database {
  let name: string;
  beforeEach(() => renew());
  afterEach(closeAll);
  const url = (user?: string) => server().url(name, user);
  const sql = <T>(text: string, values?: unknown[]) => server().sql<T>(text, values, name);
  return { url, sql, renew, waiting, hold, name: () => name };

  async function renew(options = ""): Promise<void> {
    name = `test_${databases++}`;
    await server().sql(`CREATE DATABASE ${name} ${options}`);
  }

  async function waiting(count: number): Promise<void> {
    const waiters = () =>
      sql(
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
      );
    await expect.poll(async () => (await waiters()).length, { timeout: 5000 }).toBe(count);
  }

  async function hold(key: string): Promise<() => Promise<void>> {
    const client = new pg.Client(url());
    await client.connect();
    await client.query("BEGIN");
    const text = "SELECT 1 FROM state WHERE key = $1 FOR UPDATE";
    expect((await client.query(text, [`app||${key}`])).rowCount).toBe(1);
    return async () => {
      await client.query("ROLLBACK");
      await client.end();
    };
  }
}

const writer = fileURLToPath(new URL("_postgresql-writer.ts", import.meta.url));

/** Runs the writer in a process of its own, and resolves when that has ended. */
export function runWriter(...words: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [writer, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

/** Of settled work: how many succeeded, and the kinds of those that did not. */
export function outcomes(settled: readonly PromiseSettledResult<unknown>[]) {
  const failures = settled.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  for (const error of failures) expect(error).toBeInstanceOf(ApiError);
  const kinds = [...new Set(failures.map(({ kind }) => kind))].sort();
  return { succeeded: settled.length - failures.length, kinds };
}
