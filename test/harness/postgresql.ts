import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { freePort, runnable } from "./machine.ts";
import { owned } from "./process.ts";

export interface PostgreSQL {
  readonly port: number;
  /** A connection string, without TLS; as the superuser `postgres` unless said otherwise. */
  url(database?: string, user?: string): string;
  /** Statements past pillion, as the superuser, in one go where there are no values. */
  sql<T = Record<string, unknown>>(
    text: string,
    values?: unknown[],
    database?: string,
  ): Promise<T[]>;
  /** SIGSTOP and SIGCONT to every process of the server. */
  freeze(): void;
  thaw(): void;
  /** Ends every session and the server; what was committed stays for `start`, which takes the same port. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

export interface PostgreSQLOptions {
  /** Folder of the programs. Default: the first of {@link postgresqls}. */
  readonly bin?: string;
  /** Wait for the disk at every commit, as a server in earnest does. */
  readonly durable?: boolean;
  /** Lines of pg_hba.conf that come first; the rest trusts everybody on 127.0.0.1. */
  readonly hba?: readonly string[];
  readonly config?: Readonly<Record<string, string>>;
  /** Written into the folder of the data, readable for the server alone. */
  readonly files?: Readonly<Record<string, string>>;
}

/** $PILLION_POSTGRESQL, then the newest that Debian has installed, or the one on the PATH: title and folder. */
export function postgresqls(): { title: string; bin: string }[] {
  const debian = "/usr/lib/postgresql";
  const versions = (runnable(debian) ? readdirSync(debian) : []).sort(
    (a, b) => Number(b) - Number(a),
  );
  const installed = [
    ...versions.map((version) => join(debian, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
  ].find((bin) => runnable(join(bin, "postgres")));
  const named = process.env.PILLION_POSTGRESQL;
  const bins = [named, installed].filter((bin) => bin !== undefined && bin !== "");
  return [...new Set(bins as string[])].map((bin) => ({ title: versionOf(bin), bin }));
}

function versionOf(bin: string): string {
  const text = execFileSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" });
  return `PostgreSQL ${/\) (\d+)/.exec(text)?.[1]}`;
}

const START_MS = 15_000;
const STOP_MS = 5000;

/** A server with an empty database `postgres` on a free port of 127.0.0.1. */
export async function startPostgreSQL(options: PostgreSQLOptions = {}): Promise<PostgreSQL> {
  const bin = options.bin ?? postgresqls()[0]?.bin;
  if (!bin) throw new Error(absence);
  const data = makeData(bin, options);
  const port = await freePort();
  let server: ChildProcess | undefined;
  const remove = () => rmSync(data, { recursive: true, force: true });
  process.on("exit", remove);
  await start();

  return {
    port,
    url,
    sql,
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    stop,
    start,
    async remove() {
      await stop();
      process.off("exit", remove);
      remove();
    },
  };

  function url(database = "postgres", user = "postgres"): string {
    return `postgres://${user}@127.0.0.1:${port}/${database}?sslmode=disable`;
  }

  async function sql<T>(text: string, values?: unknown[], database?: string): Promise<T[]> {
    const client = new pg.Client(url(database));
    await client.connect();
    try {
      return (await client.query(text, values)).rows as T[];
    } finally {
      await client.end();
    }
  }

  async function start(): Promise<void> {
    const child = owned(run(bin as string, "postgres", argumentsFor(data, port, options)));
    let log = "";
    child.stderr?.on("data", (chunk) => {
      log = (log + chunk).slice(-4000);
    });
    server = child;
    const end = Date.now() + START_MS;
    for (;;) {
      if (await sql("SELECT 1").catch(() => undefined)) return;
      if (child.exitCode !== null || Date.now() > end)
        throw new Error(`PostgreSQL did not start on port ${port}: ${log}`);
      await sleep(20);
    }
  }

  async function stop(): Promise<void> {
    const child = server;
    server = undefined;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, "exit");
    // SIGTERM would wait for every client to leave.
    child.kill("SIGINT");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(timer);
  }

  function signal(name: "SIGSTOP" | "SIGCONT"): void {
    const pid = server?.pid as number;
    for (const one of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(one, name);
      } catch {
        // A backend may have ended since.
      }
    }
  }
}

const absence =
  "PostgreSQL is not installed: apt-get install postgresql, or a folder with initdb and postgres in $PILLION_POSTGRESQL";

/** Why the tests cannot run here; never a reason on CI, where its absence must fail. */
export function postgresqlAbsent(): string | undefined {
  return postgresqls().length > 0 || process.env.CI === "true" ? undefined : absence;
}

/** Outside the checkout, which another user may not be able to enter. */
function makeData(bin: string, { hba = [], files = {} }: PostgreSQLOptions): string {
  const data = mkdtempSync(join(tmpdir(), "pillion-postgresql-"));
  const own = (path: string) => user && chownSync(path, user.uid, user.gid);
  own(data);
  const words = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"];
  execFileSync(join(bin, "initdb"), words, { ...user, stdio: ["ignore", "ignore", "pipe"] });
  const rules = join(data, "pg_hba.conf");
  const rest = readFileSync(rules, "utf8");
  writeFileSync(rules, "");
  appendFileSync(rules, `${[...hba, rest].join("\n")}\n`);
  for (const [name, text] of Object.entries(files)) {
    const path = join(data, name);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    own(path);
  }
  return data;
}

function argumentsFor(data: string, port: number, options: PostgreSQLOptions): string[] {
  const { durable = false, config = {} } = options;
  const fast = { fsync: "off", full_page_writes: "off", synchronous_commit: "off" };
  const settings = { ...(durable ? {} : fast), ...config };
  const words = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", "", ...words];
}

function run(bin: string, program: string, words: string[]): ChildProcess {
  return spawn(join(bin, program), words, { ...user, stdio: ["ignore", "ignore", "pipe"] });
}

/** Its programs refuse to run as root. */
const user = process.getuid?.() === 0 ? unprivileged() : undefined;

function unprivileged(): { uid: number; gid: number } {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const found = lines.find((line) => line.startsWith("postgres:")) ?? "nobody:x:65534:65534";
  const [, , uid, gid] = found.split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
