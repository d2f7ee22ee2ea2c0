import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection, NodeConnectionOptions } from "@nats-io/transport-node";
import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { farewell, inTime } from "./_deadline.ts";
import { driver } from "./_driver.ts";
import { explain } from "./_nats-errors.ts";
import type { NatsPlan } from "./_nats-settings.ts";

export interface Session {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  /** A subject of this connection's own. */
  inbox(): string;
}

/** One connection, made when it is wanted; once it was there the driver makes it anew by itself. */
export interface NatsLink {
  /** Waits for a connection that is up. Nothing is sent, and nothing waits in the driver, while there is none. */
  connected(call: Waiting): Promise<Session>;
  /** What `work` resolves to, unless the server takes too long. */
  ask<T>(call: Waiting, work: (session: Session) => Promise<T>): Promise<T>;
  /** Tells of each time that the connection is lost, until the signal is aborted. */
  onLost(listener: () => void, until: AbortSignal): void;
  native(): NatsConnection;
  close(): Promise<void>;
}

type Waiting = Pick<Call, "signal" | "deadline">;

/** Milliseconds between two attempts to connect anew. */
const AGAIN_MS = 500;
const PING_MS = 15_000;
const FAREWELL_MS = 1000;

export function link(plan: NatsPlan, component: string, limitMs: number): NatsLink {
  const closing = new AbortController();
  const lost = new Set<() => void>();
  let session: Promise<Session> | undefined;
  let native: NatsConnection | undefined;
  let up = gate();
  /** The session while its connection is up. */
  let live: Session | undefined;

  return { connected, ask, onLost, native: lend, close };

  async function connected(call: Waiting): Promise<Session> {
    if (live) return live;
    closing.signal.throwIfAborted();
    session ??= dial().catch((error: unknown) => {
      session = undefined;
      throw explain(error, component);
    });
    const found = session.then(async (session) => {
      await up.promise;
      return session;
    });
    const late = `component ${component}: there is no connection to NATS (natsURL), and none could be made within ${limitMs} ms or the time of the call`;
    return inTime(found, call, limitMs, () => late);
  }

  async function ask<T>(call: Waiting, work: (session: Session) => Promise<T>): Promise<T> {
    const session = live ?? (await connected(call));
    // Nothing is sent for a call that was given up while it waited, or whose time is over.
    call.signal?.throwIfAborted();
    const late = `component ${component}: NATS did not answer within ${limitMs} ms or the time of the call: whether it did what it was asked is not known`;
    try {
      return await inTime(work(session), call, limitMs, () => late);
    } catch (error) {
      throw error === call.signal?.reason ? error : explain(error, component);
    }
  }

  async function dial(): Promise<Session> {
    const [{ connect, createInbox, jwtAuthenticator }, { jetstreamManager }] = await Promise.all([
      driver("@nats-io/transport-node", () => import("@nats-io/transport-node")),
      driver("@nats-io/jetstream", () => import("@nats-io/jetstream")),
    ]);
    const connection = await connect(optionsOf(plan, jwtAuthenticator, limitMs));
    try {
      const options = { apiPrefix: plan.prefix, timeout: limitMs };
      const manager = await jetstreamManager(connection, options);
      closing.signal.throwIfAborted();
      native = connection;
      const session = { connection, js: manager.jetstream(), manager, inbox: () => createInbox() };
      rise(session);
      void watch(session);
      return session;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  async function watch(found: Session): Promise<void> {
    for await (const { type } of found.connection.status()) {
      if (type === "reconnect") rise(found);
      if (type === "disconnect") fall();
    }
    // The driver has given it up: the next call makes another.
    session = undefined;
    fall();
  }

  function rise(found: Session): void {
    live = found;
    up.resolve();
  }

  /** The driver says so once more for each attempt that fails. */
  function fall(): void {
    if (!live) return;
    live = undefined;
    up = gate();
    for (const listener of lost) listener();
  }

  function onLost(listener: () => void, until: AbortSignal): void {
    lost.add(listener);
    until.addEventListener("abort", () => lost.delete(listener), { once: true });
  }

  function lend(): NatsConnection {
    if (native) return native;
    throw new ComponentError(
      "unavailable",
      `component ${component} has no connection yet: the first call makes it`,
    );
  }

  async function close(): Promise<void> {
    closing.abort(new ComponentError("unavailable", `component ${component} is closed`));
    live = undefined;
    const connection = native;
    if (!connection || connection.isClosed()) return;
    // What was acknowledged last is on its way still.
    await farewell(connection.flush(), FAREWELL_MS);
    await connection.close();
  }
}

function gate(): { readonly promise: Promise<void>; resolve(): void } {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, resolve: () => open() };
}

function optionsOf(
  { servers, credentials, tls, secure, connection }: NatsPlan,
  jwtAuthenticator: typeof import("@nats-io/transport-node")["jwtAuthenticator"],
  timeout: number,
): NodeConnectionOptions {
  return {
    servers: [...servers],
    name: connection,
    timeout,
    maxReconnectAttempts: -1,
    // Credentials may be put right while the process runs.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: AGAIN_MS,
    pingInterval: PING_MS,
    noAsyncTraces: true,
    ...(tls ? { tls } : secure && { tls: {} }),
    ...(credentials.by === "token" && { token: credentials.token }),
    ...(credentials.by === "user" && { user: credentials.user, pass: credentials.password }),
    ...(credentials.by === "jwt" && {
      authenticator: jwtAuthenticator(credentials.jwt, new TextEncoder().encode(credentials.seed)),
    }),
  };
}
