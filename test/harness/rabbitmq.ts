import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type ChannelModel, connect } from "amqplib";
import { newFolder } from "./folder.ts";
import { freePort, listening, runnable } from "./machine.ts";
import { ended, frozen, guarded, owned, started } from "./process.ts";

export interface RabbitServer {
  /** amqp://host:port on 127.0.0.1. */
  readonly url: string;
  /** A connection past pillion, which is lost when the server halts. */
  raw(): Promise<ChannelModel>;
  /** SIGTERM; its data stay in its folder. */
  halt(): Promise<void>;
  /** On the same port, with what is in its folder. */
  start(): Promise<void>;
  /** The process keeps its sockets and does nothing more. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

export interface RabbitServerOptions {
  /** Lines of its configuration. */
  readonly config?: readonly string[];
  /** Names with commas. */
  readonly plugins?: string;
}

/** The server itself: what is on the PATH changes the user and forks. */
const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";

function epmdPath(): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "epmd"))
    .find(runnable);
}

/** Why a server cannot run here; never a reason on CI, where its absence must fail. */
export function absentRabbit(): string | undefined {
  if ((runnable(SERVER) && epmdPath()) || process.env.CI === "true") return undefined;
  return `no ${SERVER}: apt-get install rabbitmq-server`;
}

/** Starts a server with nothing in it on a free port of 127.0.0.1, in some five seconds. */
export async function startRabbit(options: RabbitServerOptions = {}): Promise<RabbitServer> {
  const folder = newFolder("rabbitmq");
  const [port, distribution, mapper] = [await freePort(), await freePort(), await freePort()];
  const plugins = join(folder, "plugins");
  writeFileSync(plugins, `[${options.plugins ?? ""}].`);
  writeFileSync(join(folder, "server.conf"), (options.config ?? []).join("\n"));
  mkdirSync(join(folder, "log"));
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    ERL_EPMD_PORT: String(mapper),
    RABBITMQ_NODENAME: `t${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    RABBITMQ_CONFIG_FILE: join(folder, "server"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
  // The server would start one that outlives it.
  const names = owned(spawn(epmdPath() ?? "epmd", ["-address", "127.0.0.1"], { env }));
  guarded(names);
  await started(names, () => "", listening(mapper));
  const launch = () => serve(env);
  let server = await launch();
  const url = `amqp://127.0.0.1:${port}`;
  const connections = new Set<ChannelModel>();
  return {
    url,
    async raw() {
      const connection = await connect(url);
      connection.on("error", () => undefined);
      connection.on("close", () => connections.delete(connection));
      connections.add(connection);
      return connection;
    },
    halt: () => halt(server),
    async start() {
      server = await launch();
    },
    freeze: () => frozen(server.worker),
    thaw: () => void process.kill(server.worker, "SIGCONT"),
    async stop() {
      await Promise.allSettled([...connections].map((connection) => connection.close()));
      await halt(server);
      await ended(names, "SIGTERM");
    },
  };
}

/** A script that waits for the process that is the server. */
interface Launched {
  readonly script: ChildProcess;
  readonly worker: number;
}

/** Five seconds where nothing else goes on. */
const START_MS = 55_000;
const HALT_MS = 20_000;

async function halt({ script, worker }: Launched): Promise<void> {
  if (script.exitCode !== null || script.signalCode !== null) return;
  const gone = once(script, "exit");
  script.kill("SIGTERM");
  const force = setTimeout(() => process.kill(worker, "SIGKILL"), HALT_MS);
  await gone;
  clearTimeout(force);
}

/** The only process of that name under another. */
function workerOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  for (const child of children.filter(Boolean).map(Number)) {
    if (readFileSync(`/proc/${child}/comm`, "utf8").startsWith("beam")) return child;
    const below = workerOf(child);
    if (below) return below;
  }
  return 0;
}

async function serve(env: NodeJS.ProcessEnv): Promise<Launched> {
  const child = owned(spawn(SERVER, { env, stdio: ["ignore", "pipe", "pipe"], detached: true }));
  let log = "";
  let tell = (): void => undefined;
  const ready = new Promise<void>((resolve) => {
    tell = resolve;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      log = (log + chunk).slice(-20_000);
      if (log.includes("Server startup complete")) tell();
    });
  }
  const up = started(child, () => log, ready, START_MS);
  await up.catch((error: unknown) => {
    // The script does not take along what it has begun.
    process.kill(-(child.pid as number), "SIGKILL");
    throw error;
  });
  const worker = workerOf(child.pid as number) || (child.pid as number);
  guarded(child, worker);
  return { script: child, worker };
}
