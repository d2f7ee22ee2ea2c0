import type { Cluster, Redis } from "ioredis";
import type { Call, Host } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { inTime } from "./_deadline.ts";
import { explain, isReply } from "./_redis-failures.ts";
import type { Plan, RedisSettings } from "./_redis-settings.ts";

export type Client = Redis | Cluster;

/** Where the link gets its client from. */
export interface Supply {
  /** The client, where it can be used at once. */
  ready(): Client | undefined;
  /** Waits for the client. */
  connect(call: Call): Promise<Client>;
  /** Gives the client up, if it still is the one in use: the next call connects another. */
  drop(client: Client): void;
  native(): Client;
  close(): void;
}

/**
 * One connection, made when a call wants it and made anew when one wants it after it was lost: calls that wait share
 * the attempts, and without any nothing goes on in the background.
 */
export function supply(
  settings: RedisSettings,
  plan: Plan,
  { clock, random }: Host,
  component: string,
): Supply {
  const { dialTimeout, readTimeout, idleTimeout, idleCheckFrequency } = settings;
  const closing = new AbortController();
  const doubtAfter = Math.min(idleTimeout || Infinity, idleCheckFrequency || Infinity);
  let live: Client | undefined;
  /** Long unused: a machine between, or a sandbox that was frozen, may have cut it off without a word. */
  let doubtful: { client: Client; idle: number } | undefined;
  let connecting: Promise<Client> | undefined;
  let used = 0;
  let waiting = 0;
  let trouble = "";
  const silent = `component ${component}: Redis did not answer the connection in time (dialTimeout: ${dialTimeout} ms)${settings.enableTLS ? ": is its port one for TLS, as enableTLS says?" : ""}`;

  return {
    ready() {
      if (live?.status !== "ready") return undefined;
      const idle = clock.now() - used;
      used += idle;
      if (idle < doubtAfter) return live;
      doubtful = { client: live, idle };
      live = undefined;
      return undefined;
    },
    async connect(call) {
      waiting++;
      connecting ??= dial().finally(() => (connecting = undefined));
      try {
        return await inTime(connecting, call, dialTimeout, () => trouble || silent);
      } finally {
        waiting--;
      }
    },
    drop(client) {
      if (live !== client) return;
      live = undefined;
      client.disconnect();
    },
    native() {
      const client = live ?? doubtful?.client;
      if (client) return client;
      throw new ComponentError(
        "unavailable",
        `component ${component} has no connection yet: the first call makes it`,
      );
    },
    close() {
      closing.abort(new ComponentError("unavailable", `component ${component} is closed`));
      live?.disconnect();
      doubtful?.client.disconnect();
    },
  };

  async function dial(): Promise<Client> {
    closing.signal.throwIfAborted();
    const { client, idle } = doubtful ?? {};
    doubtful = undefined;
    if (client && (idle ?? 0) < (idleTimeout || Infinity) && (await answers(client))) {
      return keep(client);
    }
    client?.disconnect();
    for (let attempt = 0; ; attempt++) {
      try {
        return keep(await open());
      } catch (error) {
        const found = explain(error, component);
        trouble = (found as Error).message;
        const vain =
          !ComponentError.is(found, "unavailable") || attempt >= settings.redisMaxRetries;
        if (vain || waiting === 0) throw found;
      }
      await clock.sleep(backoff(attempt), closing.signal);
    }
  }

  function keep(client: Client): Client {
    if (closing.signal.aborted) {
      client.disconnect();
      throw closing.signal.reason;
    }
    used = clock.now();
    live = client;
    trouble = "";
    return client;
  }

  function backoff(attempt: number): number {
    const { redisMinRetryInterval: least, redisMaxRetryInterval: most } = settings;
    return Math.min(most, least + random.number() * least * 2 ** attempt);
  }

  async function open(): Promise<Client> {
    const client = await create(plan);
    try {
      const own = { signal: closing.signal, deadline: undefined };
      await inTime(opened(client), own, dialTimeout, () => silent);
      await inTime(verify(client, component), own, readTimeout, () => silent);
      return client;
    } catch (error) {
      client.disconnect();
      throw error;
    }
  }

  async function answers(client: Client): Promise<boolean> {
    const own = { signal: closing.signal, deadline: undefined };
    return inTime(client.ping(), own, readTimeout, () => "").then(
      () => true,
      () => false,
    );
  }
}

/** The user's own client, connected or not: it queues by its own rules. */
export function lent(client: Client): Supply {
  return {
    ready: () => client,
    connect: async () => client,
    drop() {},
    native: () => client,
    close() {},
  };
}

async function create(plan: Plan): Promise<Client> {
  if (plan.kind === "copy") return plan.make();
  const { Redis, Cluster } = await import("ioredis");
  return plan.kind === "cluster"
    ? new Cluster([...plan.nodes], plan.options)
    : new Redis(plan.options);
}

/** Rejects with what went wrong, which ioredis says in events, and also when no database could be selected. */
function opened(client: Client): Promise<void> {
  let hint: unknown;
  let failure: unknown;
  const events = client as Redis;
  // Also later: without a listener ioredis writes to the console.
  events.on("error", (error) => (failure ??= error));
  for (const name of ["sentinelError", "node error"]) events.on(name, (error) => (hint = error));
  return new Promise((resolve, reject) => {
    events.once("ready", () => {
      if (failure && !client.isCluster) reject(failure);
      else resolve();
    });
    events.once("end", () => reject(hint ?? failure ?? new Error("it closed the connection")));
    client.connect().catch(() => {});
  });
}

/** What every call needs, asked once: a master that has loaded its data, and scripts. */
export async function verify(client: Client, component: string): Promise<void> {
  const [role] = await Promise.all([
    client.isCluster ? "" : client.info("replication").catch(unlessForbidden),
    client.eval("return 1", 0),
  ]);
  if (!/^role:slave/m.test(role)) return;
  throw new ComponentError(
    "unavailable",
    `component ${component}: the server is a replica, which takes no writes: if that lasts, set redisHost to the master`,
  );
}

/** Not every user may ask for the role. A write then shows it. */
function unlessForbidden(error: unknown): string {
  if (isReply(error) && error.message.includes("NOPERM")) return "";
  throw error;
}
