import type { PoolClient } from "pg";
import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { inTime } from "./_deadline.ts";
import type { Connections } from "./_postgresql-connections.ts";
import { door, type Waiter } from "./_postgresql-door.ts";
import { survives } from "./_postgresql-errors.ts";
import { type Answer, ask, type Parameter, type Statement } from "./_postgresql-exchange.ts";

/** Connections to one server, bounded in number, for calls that end in time. Throws what the driver throws. */
export interface Pool {
  /** One statement, in a transaction of its own. */
  query(
    call: Call,
    limitMs: number,
    statement: Statement,
    values: readonly Parameter[],
  ): Promise<Answer>;
  /** Several statements on one connection, which is closed if `work` throws: that undoes what it left open. */
  session<T>(call: Call, limitMs: number, work: (client: PoolClient) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly connections: Connections;
  readonly max: number;
  readonly timeoutMs: number;
  /** What to raise when they are too few. */
  readonly setting: string;
  readonly component: string;
  /** What messages call it. */
  readonly server: string;
}

const WAIT_MS = 5000;
const LINE_PER_CONNECTION = 100;

/** A call on its way through the pool. */
interface Lease extends Waiter {
  stage: "wait" | "connect" | "ask" | "over";
  client?: PoolClient;
}

interface Job<T> {
  readonly writes: boolean;
  /** Whether the connection is good for others after a statement that the server refused. */
  readonly keeps: boolean;
  work(client: PoolClient): Promise<T>;
}

export function createPool(options: PoolOptions): Pool {
  const { connections, max, timeoutMs, setting, component, server } = options;
  const busy = `all ${max} connections are in use: raise ${setting}, or make fewer calls at a time`;
  const entrance = door({
    places: max,
    line: max * LINE_PER_CONNECTION,
    waitMs: Math.min(WAIT_MS, timeoutMs),
    refuse: (why) => unavailable(`${why}: ${busy}`),
  });

  return {
    query: (call, limitMs, statement, values) =>
      lend(call, limitMs, {
        writes: statement.writes ?? false,
        keeps: true,
        work: (client) => ask(client, statement, values),
      }),
    session: (call, limitMs, work) => lend(call, limitMs, { writes: true, keeps: false, work }),
    close() {
      entrance.close();
      return connections.close();
    },
  };

  async function lend<T>(call: Call, limitMs: number, job: Job<T>): Promise<T> {
    call.signal?.throwIfAborted();
    if (call.deadline !== undefined && call.deadline <= Date.now())
      throw unavailable("the time of the call was over before anything was sent");
    const lease: Lease = { stage: "wait" };
    try {
      return await inTime(hold(lease, job), call, limitMs, () => late(lease, limitMs, job.writes));
    } catch (error) {
      abandon(lease);
      throw error;
    }
  }

  async function hold<T>(lease: Lease, { work, keeps }: Job<T>): Promise<T> {
    if (!entrance.tryEnter()) await entrance.enter(lease);
    try {
      if (lease.stage === "wait") lease.stage = "connect";
      const client = await connections.take();
      if (lease.stage !== "connect") {
        connections.giveBack(client, true);
        throw unavailable("nobody waits for the connection any more");
      }
      lease.client = client;
      lease.stage = "ask";
      let sound = false;
      try {
        const result = await work(client);
        sound = true;
        return result;
      } catch (error) {
        sound = keeps && survives(error);
        throw error;
      } finally {
        giveBack(lease, sound);
      }
    } finally {
      entrance.leave();
    }
  }

  function giveBack(lease: Lease, sound: boolean): void {
    if (lease.stage === "ask") connections.giveBack(lease.client as PoolClient, sound);
    lease.stage = "over";
  }

  /** Nobody waits for it any more. What it asked for is given up too, as far as that can be. */
  function abandon(lease: Lease): void {
    if (lease.stage === "wait") lease.leave?.();
    if (lease.stage === "ask") connections.cancel(lease.client as PoolClient);
    giveBack(lease, false);
  }

  function late({ stage }: Lease, limitMs: number, writes: boolean): string {
    const limit = `within the time of the call, at most ${limitMs} ms`;
    const doubt = writes ? ": it is not known whether the write was made" : "";
    const what = {
      wait: `no connection to PostgreSQL at ${server} was free ${limit}: ${busy}`,
      connect: `no connection to PostgreSQL at ${server} could be made ${limit}`,
      ask: `PostgreSQL at ${server} did not answer ${limit}${doubt}`,
      over: "",
    };
    return `component ${component}: ${what[stage]}`;
  }

  function unavailable(text: string): ComponentError {
    return new ComponentError("unavailable", `component ${component}: ${text}`);
  }
}
