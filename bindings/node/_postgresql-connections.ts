import type { Socket } from "node:net";
import type { Pool, PoolClient } from "pg";
import type { Host } from "../../src/contracts/host.ts";
import { ComponentError, messageOf } from "../../src/errors.ts";
import { inTime, nobody } from "./_deadline.ts";
import type { Address } from "./_postgresql-address.ts";
import { cancel, makePool, type PoolLimits, take } from "./_postgresql-driver.ts";
import { ask } from "./_postgresql-exchange.ts";

/** The driver's pool, made on first use, from which only connections come that can be trusted. */
export interface Connections {
  /** Throws what the driver throws. */
  take(): Promise<PoolClient>;
  /** A connection that is not sound is closed. */
  giveBack(client: PoolClient, sound: boolean): void;
  /** Has the server give up what the connection is doing. */
  cancel(client: PoolClient): void;
  native(): Pool | undefined;
  close(): Promise<void>;
}

/** After so long without use a connection is tried before it is trusted. */
const STALE_MS = 1000;
const PROBE_MS = 2000;
const CLOSE_MS = 1000;
const PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;

const ignore = () => {};

/** `source`: where to connect, or the user's own pool, which is not closed here. */
export function connectionsTo(
  source: Address | Pool,
  limits: PoolLimits,
  { clock, random }: Host,
  component: string,
): Connections {
  const sockets = new Set<Socket>();
  const closing = new AbortController();
  /** When each was last given back. */
  const used = new WeakMap<PoolClient, number>();
  /** Connections that were last used then, or earlier, are dead. */
  let deadUntil = 0;
  let failures = 0;
  let retryAt = 0;
  let making: Promise<Pool> | undefined;
  let pool: Pool | undefined;
  if (!("tls" in source)) pool = heard(source);
  let closed: Promise<void> | undefined;

  return {
    async take() {
      for (;;) {
        const client = await connect();
        if (isIdle(client) && (fresh(client) || (await answers(client)))) return client;
        client.release(true);
      }
    },
    giveBack(client, sound) {
      used.set(client, clock.now());
      client.release(!sound);
    },
    cancel: (client) => cancel(client, sockets),
    native: () => pool,
    close: () => (closed ??= end()),
  };

  async function connect(): Promise<PoolClient> {
    const ready = pool ?? (await make());
    closing.signal.throwIfAborted();
    if (ready.idleCount === 0 && retryAt > clock.now())
      await clock.sleep(retryAt - clock.now(), closing.signal);
    try {
      const client = await untilClosed(take(ready));
      failures = retryAt = 0;
      return client;
    } catch (error) {
      closing.signal.throwIfAborted();
      if (withoutTls(ready, error)) return connect();
      const pause = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** failures++);
      retryAt = clock.now() + pause * (0.5 + random.number() / 2);
      throw error;
    }
  }

  /** The driver's pool forgets who waits for a connection when it ends. */
  function untilClosed(taken: Promise<PoolClient>): Promise<PoolClient> {
    return new Promise((resolve, reject) => {
      const leave = () => reject(closing.signal.reason);
      closing.signal.addEventListener("abort", leave, { once: true });
      taken
        .then((client) => (closing.signal.aborted ? client.release(true) : resolve(client)), reject)
        .finally(() => closing.signal.removeEventListener("abort", leave));
    });
  }

  /** Whether to try again: the server has no TLS, and it was not asked for more than to use it if it is there. */
  function withoutTls(ready: Pool, error: unknown): boolean {
    const optional = "tls" in source && source.tls.mode === "prefer";
    if (!optional || !/does not support SSL/.test(messageOf(error))) return false;
    ready.options.ssl = false;
    return true;
  }

  function make(): Promise<Pool> {
    making ??= makePool(source as Address, limits, sockets, component)
      .then((made) => (pool = heard(made)))
      .finally(() => (making = undefined));
    return making;
  }

  /** New, or used so lately that its end would have been heard of. */
  function fresh(client: PoolClient): boolean {
    const last = used.get(client);
    if (last !== undefined) return clock.now() - last < STALE_MS;
    // While it is lent out nobody else listens, and an error that nobody hears ends the process.
    client.on("error", ignore);
    return true;
  }

  /**
   * A process that was frozen, as Lambda's are between invocations, does not hear that its connections end, and a
   * write on one could neither be trusted nor sent again. So it is asked first.
   */
  async function answers(client: PoolClient): Promise<boolean> {
    const last = used.get(client) as number;
    if (last <= deadUntil || clock.now() - last >= limits.idleMs) return false;
    try {
      await inTime(ask(client, { text: "SELECT 1" }), nobody, PROBE_MS, () => "");
      return true;
    } catch {
      deadUntil = last;
      return false;
    }
  }

  async function end(): Promise<void> {
    closing.abort(new ComponentError("unavailable", `component ${component} is closed`));
    if (!("tls" in source)) {
      source.off("error", ignore);
      return;
    }
    const made = pool ?? (await making?.catch(() => undefined));
    const force = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, CLOSE_MS);
    await made?.end();
    const open = [...sockets].filter(({ closed }) => !closed);
    await Promise.all(open.map((socket) => new Promise((done) => socket.once("close", done))));
    clearTimeout(force);
  }
}

/** A transaction that the user left open would take our writes with it when it is undone. */
function isIdle(client: PoolClient): boolean {
  return (client.getTransactionStatus?.() ?? "I") === "I";
}

/** A pool that nobody listens to ends the process when an idle connection breaks, which it has dropped by then. */
function heard(pool: Pool): Pool {
  return pool.on("error", ignore);
}
