import type { Socket } from "node:net";
import type { Pool, PoolClient } from "pg";
import { ComponentError, messageOf } from "../../src/errors.ts";
import type { Address } from "./_postgresql-address.ts";

/** A timer of more than this ends at once. */
const LONGEST_MS = 2 ** 31 - 1;

export interface PoolLimits {
  readonly max: number;
  readonly idleMs: number;
  readonly connectMs: number;
}

/** The driver's pool for an address. It keeps no process alive. Sockets are put into `sockets` while they are open. */
export async function makePool(
  address: Address,
  limits: PoolLimits,
  sockets: Set<Socket>,
  component: string,
): Promise<Pool> {
  const { Pool } = await import("pg");
  const { host, hostaddr, port, user, password, database, application, options } = address;
  return new Pool({
    host: hostaddr ?? host,
    port,
    user,
    password,
    database,
    options,
    application_name: application ?? "pillion",
    ssl: tlsOf(address, component),
    max: limits.max,
    idleTimeoutMillis: Math.min(limits.idleMs, LONGEST_MS),
    connectionTimeoutMillis: Math.min(limits.connectMs, LONGEST_MS),
    allowExitOnIdle: true,
    keepAlive: true,
    stream: () => tracked(sockets),
  });
}

function tracked(sockets: Set<Socket>): Socket {
  const { Socket } = process.getBuiltinModule("node:net");
  const socket = new Socket();
  sockets.add(socket);
  return socket.once("close", () => sockets.delete(socket));
}

function tlsOf({ host, hostaddr, tls }: Address, component: string) {
  const { mode, rootCert, cert, key } = tls;
  if (mode === "disable" || host.startsWith("/")) return false;
  const { isIP } = process.getBuiltinModule("node:net");
  const verifies = mode === "verify-ca" || mode === "verify-full";
  return {
    rejectUnauthorized: verifies,
    ca: read(rootCert, "sslRootCert"),
    cert: read(cert, "sslcert"),
    key: read(key, "sslkey"),
    // The driver takes these from the host that it connects to.
    ...(hostaddr !== undefined && { host, servername: isIP(host) === 0 ? host : undefined }),
    ...(mode !== "verify-full" && { checkServerIdentity: () => undefined }),
  };

  function read(path: string | undefined, setting: string): string | undefined {
    if (path === undefined) return undefined;
    try {
      return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
    } catch (cause) {
      const text = `component ${component}: ${setting} ${path} cannot be read: ${messageOf(cause)}`;
      throw new ComponentError("config", text, { cause });
    }
  }
}

export function take(pool: Pool): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => (client ? resolve(client) : reject(error)));
  });
}

/** What the driver's client knows of itself besides what its types say. */
interface Session {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

const CANCEL_MS = 2000;

/**
 * Asks the server to give up what a connection is doing, by its own way for that: a connection that says which and
 * is not answered. Without it, a write that waits for a lock would be made after its caller had left. Nobody waits
 * for it, and it need not arrive.
 */
export function cancel(client: PoolClient, sockets: Set<Socket>): void {
  const { host, port, processID, secretKey } = client as unknown as Session;
  if (processID === null || secretKey === null) return;
  const request = Buffer.alloc(16);
  for (const [index, word] of [16, 80_877_102, processID, secretKey].entries())
    request.writeInt32BE(word, index * 4);
  const socket = tracked(sockets);
  socket.on("error", () => {});
  socket.setTimeout(CANCEL_MS, () => socket.destroy());
  socket.on("connect", () => socket.end(request));
  if (host.startsWith("/")) socket.connect(`${host}/.s.PGSQL.${port}`);
  else socket.connect(port, host);
}
