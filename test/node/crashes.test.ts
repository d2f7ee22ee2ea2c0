import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as postgresql from "../../bindings/node/postgresql.ts";
import * as redis from "../../bindings/node/redis.ts";
import * as sqlite from "../../bindings/node/sqlite.ts";
import { createRuntime } from "../../src/runtime.ts";
import { processHost } from "../../targets/_process/host.ts";
import { newFolder } from "../harness/folder.ts";
import { type PostgreSQL, postgresqlAbsent, startPostgreSQL } from "../harness/postgresql.ts";
import { owned } from "../harness/process.ts";
import { absentRedis, type RedisServer, startRedis } from "../harness/redis.ts";
import type { Plan, Step } from "./_crashing.ts";

const program = fileURLToPath(new URL("_crashing.ts", import.meta.url));
const steps: readonly Step[] = [
  "before the commit",
  "after the commit",
  "before the event",
  "after the event",
  "after the row",
];

let apps = 0;

/** One app of its own on a store, run by processes that end themselves. */
function crashing(kind: Plan["kind"], options: object, settings?: boolean) {
  const app = `crash-${++apps}`;
  const journal = join(newFolder("crash"), "journal");
  const stores = { sqlite: sqlite.state, redis: redis.state, postgresql: postgresql.state };
  return { run, value, events };

  function run(role: Plan["role"], die?: Step): Promise<NodeJS.Signals | number | null> {
    const plan: Plan = { app, kind, options, journal, role, die, settings };
    const words = [program, JSON.stringify(plan)];
    const child = owned(
      spawn(process.execPath, words, { stdio: ["ignore", "inherit", "inherit"] }),
    );
    return new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code)));
  }

  async function value(): Promise<unknown> {
    const statestore = stores[kind](options as never);
    const host = processHost("node");
    await using runtime = createRuntime({ id: app, components: { statestore }, host });
    return await runtime.blocks.state("statestore").get("count");
  }

  function events(): { readonly id: string; readonly data: number }[] {
    const lines = existsSync(journal) ? readFileSync(journal, "utf8").trim().split("\n") : [];
    return lines.map((line) => JSON.parse(line));
  }
}

function crashes(kind: Plan["kind"], options: () => object, settings?: boolean): void {
  test.each(steps)(
    "an outbox killed %s: state and event are both there, or neither",
    async (die) => {
      const { run, value, events } = crashing(kind, options(), settings);
      expect(await run("commit", die)).toBe("SIGKILL");
      const early = { "after the event": 1, "after the row": 1 }[die as string] ?? 0;
      expect(events()).toHaveLength(early);
      expect(await run("relay")).toBe(0);
      const committed = die !== "before the commit";
      expect(await value()).toBe(committed ? 1 : undefined);
      expect(new Set(events().map(({ id }) => id)).size).toBe(committed ? 1 : 0);
      // Killed between the event and its row's end, the event comes once more.
      expect(events()).toHaveLength(die === "after the event" ? 2 : Number(committed));
    },
  );

  test.each(steps)("an idempotent handler killed %s has its effects exactly once", async (die) => {
    const { run, value, events } = crashing(kind, options(), settings);
    expect(await run("handle", die)).toBe("SIGKILL");
    expect(await value()).toBe(die === "before the commit" ? undefined : 1);
    expect(await run("handle")).toBe(0);
    expect(await run("handle")).toBe(0);
    expect(await value()).toBe(1);
    expect(new Set(events().map(({ id }) => id)).size).toBe(1);
    expect(events().every(({ data }) => data === 1)).toBe(true);
  });
}

describe.each([
  ["SQLite", false],
  ["SQLite under Dapr's settings of an outbox", true],
])("%s", (_name, settings) => {
  crashes("sqlite", () => ({ connectionString: join(newFolder("crash"), "state.db") }), settings);
});

const withoutRedis = absentRedis("redis");
describe.skipIf(withoutRedis)(withoutRedis ? `Redis (skipped: ${withoutRedis})` : "Redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ kind: "redis" });
  });
  afterAll(() => server?.stop());
  crashes("redis", () => ({ redisHost: server.address }));
});

const withoutPostgres = postgresqlAbsent();
describe.skipIf(withoutPostgres)(
  withoutPostgres ? `PostgreSQL (skipped: ${withoutPostgres})` : "PostgreSQL",
  () => {
    let server: PostgreSQL;
    beforeAll(async () => {
      server = await startPostgreSQL({});
      await server.sql("CREATE DATABASE crashes");
    });
    afterAll(() => server?.remove());
    crashes("postgresql", () => ({ connectionString: server.url("crashes") }));
  },
);
