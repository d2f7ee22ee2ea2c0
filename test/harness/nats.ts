import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { newFolder } from "./folder.ts";
import { freePort, runnable } from "./machine.ts";
import { ended, frozen, launched } from "./process.ts";

export interface NatsServer {
  /** nats://host:port on 127.0.0.1. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Clients past pillion, which `stop` closes. */
  readonly raw: { readonly connection: NatsConnection; readonly manager: JetStreamManager };
  /** SIGTERM, or a crash; its data stay in its folder. */
  halt(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** On the same port, with what is in its folder. */
  start(): Promise<void>;
  /** The process keeps its sockets and does nothing more. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

/** $PILLION_NATS, or `nats-server` on the PATH. */
export function natsPath(): string | undefined {
  const named = process.env.PILLION_NATS;
  if (named) return runnable(named) ? named : undefined;
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "nats-server"))
    .find(runnable);
}

/** Why a server cannot run here; never a reason on CI, where its absence must fail. */
export function absentNats(): string | undefined {
  if (natsPath() || process.env.CI === "true") return undefined;
  return "no NATS: apt-get install nats-server, or name one in $PILLION_NATS";
}

/** Starts a server with JetStream and nothing in it on a free port of 127.0.0.1. */
export async function startNats(
  args: readonly string[] = [],
  raw: NodeConnectionOptions = {},
): Promise<NatsServer> {
  const path = natsPath();
  if (!path) throw new Error("no nats-server to start");
  const folder = newFolder("nats");
  const launchOn = async () => {
    const [port, monitor] = [await freePort(), await freePort()];
    const words = ["-a", "127.0.0.1", "-p", `${port}`, "-m", `${monitor}`, "-js", "-sd", folder];
    const launch = () => launched(path, [...words, ...args], healthy(monitor));
    return { port, launch, child: await launch() };
  };
  // Somebody else may have taken a port in between: once more, on another one.
  let { port, launch, child } = await launchOn().catch(launchOn);
  const url = `nats://127.0.0.1:${port}`;
  const connection = await connect({
    servers: url,
    ...raw,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  const manager = await jetstreamManager(connection);
  return {
    url,
    port,
    get pid() {
      return child.pid as number;
    },
    raw: { connection, manager },
    halt: (signal = "SIGTERM") => ended(child, signal),
    async start() {
      child = await launch();
    },
    freeze: () => frozen(child.pid as number),
    thaw: () => void child.kill("SIGCONT"),
    async stop() {
      await connection.close();
      child.kill("SIGCONT");
      await ended(child, "SIGTERM");
    },
  };
}

async function healthy(monitor: number): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${monitor}/healthz`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await sleep(10);
  }
}
