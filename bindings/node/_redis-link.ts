import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { createInTime } from "./_deadline.ts";
import { explain, type Intent, isDemoted, isLost, isReply, isUnsent } from "./_redis-failures.ts";
import type { Client, Supply } from "./_redis-supply.ts";
import { createTogether } from "./_redis-together.ts";

/** Calls to a server, each ending in time whatever becomes of the server. */
export interface Link {
  /** Waits for a connection where there is none. A read that lost it is made once more; a write never is, once sent. */
  run<T>(call: Call, intent: Intent, work: (client: Client) => Promise<T>): Promise<T>;
  native(): Client;
  close(): void;
}

export interface LinkOptions {
  readonly component: string;
  /** Milliseconds that an answer may take. */
  readonly limits: Readonly<Record<Intent, number>>;
  /** Most calls at the same time. */
  readonly most: number;
}

export function link(supply: Supply, { component, limits, most }: LinkOptions): Link {
  const together = createTogether();
  const inTime = createInTime();
  let pending = 0;
  /** When the server answered last. */
  let heard = 0;
  let doubting: NodeJS.Timeout | undefined;

  return {
    async run(call, intent, work) {
      if (pending >= most) throw full();
      let client = supply.ready();
      let started = performance.now();
      try {
        if (!client) {
          client = await connected(call);
          started = performance.now();
        }
        const result = await limited(client, call, intent, work);
        heard = performance.now();
        return result;
      } catch (error) {
        if (isReply(error)) heard = performance.now();
        else if (client) doubt(client, started + limits[intent], started);
        if (isLost(error) || isUnsent(error)) await turn();
        if (!client || !mayRepeat(error, client, intent)) throw found(error, call, intent);
        return await repeat(call, intent, work);
      }
    },
    native: supply.native,
    close: supply.close,
  };

  async function connected(call: Call): Promise<Client> {
    pending++;
    try {
      return await supply.connect(call);
    } finally {
      pending--;
    }
  }

  /**
   * A call has no answer. Unless the server answers something until that call's limit, it is silent, and what is sent
   * to it would pile up: the connection is left.
   */
  function doubt(client: Client, until: number, since: number): void {
    if (doubting || client.isCluster || client.status !== "ready") return;
    const hear = () => void (heard = performance.now());
    client.ping().then(hear, hear);
    const left = Math.min(Math.max(until - performance.now(), 0), 2 ** 31 - 1);
    doubting = setTimeout(() => {
      doubting = undefined;
      if (heard < since) supply.drop(client);
    }, left).unref();
  }

  /** Leaves a connection that takes nothing any more, before a call could fail on it without end. */
  function mayRepeat(error: unknown, client: Client, intent: Intent): boolean {
    const unsent = isUnsent(error);
    if (unsent || isDemoted(error)) supply.drop(client);
    return unsent || (intent === "read" && isLost(error));
  }

  async function repeat<T>(
    call: Call,
    intent: Intent,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    try {
      const client = supply.ready() ?? (await connected(call));
      return await limited(client, call, intent, work);
    } catch (error) {
      throw found(error, call, intent);
    }
  }

  function limited<T>(
    client: Client,
    call: Call,
    intent: Intent,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    // Nothing is sent for a call that was given up while it waited, or whose time is over.
    if (call.signal?.aborted) return Promise.reject(call.signal.reason);
    if (call.deadline !== undefined && call.deadline <= Date.now()) return Promise.reject(over());
    const sent = pending === 0 ? work(client) : together(client, work);
    pending++;
    // Until it is answered, also when nobody waits any more: what is sent piles up in the client.
    const answered = () => void pending--;
    sent.then(answered, answered);
    return inTime(sent, call, limits[intent], () => late(intent));
  }

  function found(error: unknown, call: Call, intent: Intent): unknown {
    return error === call.signal?.reason ? error : explain(error, component, intent);
  }

  function late(intent: Intent): string {
    const unknown = intent === "write" ? ": whether it was written is not known" : "";
    return `component ${component}: Redis did not answer in time (${intent}Timeout: ${limits[intent]} ms, or the time of the call was over)${unknown}`;
  }

  function over(): ComponentError {
    return new ComponentError(
      "unavailable",
      `component ${component}: the time of the call was over before anything was sent to Redis`,
    );
  }

  function full(): ComponentError {
    return new ComponentError(
      "unavailable",
      `component ${component}: ${most} calls wait for Redis already (maxPendingCalls): this one is not sent`,
    );
  }
}

/** What became of a connection is told between turns: who tried again before would meet the dead client for ever. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
