import type { Server, ServerOptions } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { configurationError } from "../../../src/errors.ts";
import { remember } from "./drain.ts";
import { createListener, type ListenerOptions } from "./listener.ts";
import type { Endpoint } from "./options.ts";

const { createServer } = process.getBuiltinModule("node:http");

/** Where something listens: `host:port`, or the path of a socket. */
export interface Listening {
  readonly addresses: readonly string[];
  /** 0 for a socket. */
  readonly port: number;
  readonly servers: readonly Server[];
}

/** Go's server, which daprd is, reads this much more than it is told. */
const SLACK = 4096;

/** A server that has not begun to listen. */
export function makeServer(options: ListenerOptions & { readonly headSize: number }): Server {
  const settings: ServerOptions & { optimizeEmptyRequests: boolean } = {
    maxHeaderSize: options.headSize + SLACK,
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1000,
    // Clients keep connections for as long as they like, as with daprd: whoever closes first breaks the other's call.
    keepAliveTimeout: 0,
    // A client that vanished without a word is found out by the kernel.
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
    // A request without a body has no stream to set up.
    optimizeEmptyRequests: true,
  };
  const { plain, continues } = createListener(options);
  const server = createServer(settings, plain).on("checkContinue", continues);
  // Node would drop the headers beyond the 2000th without a word; their size is limited already.
  server.maxHeadersCount = 0;
  return server;
}

/**
 * Listens on every address of an endpoint, with a server of its own for each. Throws `ERR_CONFIGURATION` that names
 * the flag for what cannot be listened on; an address of the default that the machine lacks is left out.
 */
export async function listen(endpoint: Endpoint, make: () => Server): Promise<Listening> {
  // A free port of the first address may be taken on the next.
  for (let attempt = 0; ; attempt++) {
    const servers: Server[] = [];
    try {
      return await listenOnAll(endpoint, make, servers);
    } catch (error) {
      for (const server of servers) server.close();
      if (endpoint.port !== 0 || attempt === 3) throw error;
    }
  }
}

async function listenOnAll(
  endpoint: Endpoint,
  make: () => Server,
  servers: Server[],
): Promise<Listening> {
  let { port } = endpoint;
  let missing: unknown;
  for (const address of endpoint.addresses) {
    const server = remember(make());
    try {
      await opened(server, port, address);
    } catch (cause) {
      missing = explained(cause, endpoint, address);
      const { code } = cause as NodeJS.ErrnoException;
      if (endpoint.lenient && (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT")) continue;
      throw missing;
    }
    servers.push(server);
    port = (server.address() as AddressInfo).port;
  }
  if (servers.length === 0) throw missing;
  return { servers, port, addresses: servers.map(addressOf) };
}

function opened(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(address && { host: address }) }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function addressOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Where an endpoint's addresses come from, where that is not its own flag. */
const addressFlags: Partial<Record<Endpoint["flag"], string>> = {
  "dapr-http-port": "dapr-listen-addresses",
  "profile-port": "dapr-listen-addresses",
  "dapr-public-port": "dapr-public-listen-address",
  "metrics-port": "metrics-listen-address",
};

function explained(cause: unknown, { flag, port }: Endpoint, address: string) {
  const { code, message } = cause as NodeJS.ErrnoException;
  const place = `cannot listen on port ${port} of ${address || "every address"}`;
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `it is in use: end whoever has it, or choose another with --${flag}`,
    EACCES: `this user may not: choose another with --${flag}`,
    EADDRNOTAVAIL: `the machine has no such address: change --${addressFlags[flag]}`,
    ENOTFOUND: `there is no such address: change --${addressFlags[flag]}`,
  };
  return configurationError(`${place}: ${(code && why[code]) ?? message}`, { cause });
}

/** Listens on a Unix domain socket. One that a dead process left behind is replaced. */
export async function listenOnSocket(path: string, make: () => Server): Promise<Listening> {
  const server = remember(make());
  try {
    await openedAt(server, path).catch(async (cause: NodeJS.ErrnoException) => {
      const { lstatSync, unlinkSync } = process.getBuiltinModule("node:fs");
      if (cause.code !== "EADDRINUSE" || !lstatSync(path).isSocket() || (await isAlive(path)))
        throw cause;
      unlinkSync(path);
      await openedAt(server, path);
    });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why: Readonly<Record<string, string>> = {
      EADDRINUSE: "another process has it, or it is no socket",
      EACCES: "this user may not write there, or the folder does not exist",
      ENOENT: "the folder does not exist",
      EINVAL: "the path is too long for a socket",
    };
    const text = `--unix-domain-socket: cannot listen on ${path}: ${(code && why[code]) ?? message}`;
    throw configurationError(text, { cause });
  }
  return { servers: [server], port: 0, addresses: [path] };
}

function openedAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
      .once("connect", () => resolve(true))
      .once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
