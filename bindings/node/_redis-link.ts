import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";
import { createWatch } from "./_deadline.ts";
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
  const watch = createWatch();
  /** Calls that wait for a connection. */
  let connecting = 0;
  /** How often the server has answered. */
  let answers = 0;
  let doubting: NodeJS.Timeout | undefined;

  return {
    async run(call, intent, work) {
      // What is not answered piles up in the client, also when nobody waits for it any more.
      if (connecting + watch.unsettled >= most) throw full();
      let client = supply.ready();
      let before = answers;
      let until = 0;
      try {
        if (!client) {
          client = await connected(call);
          before = answers;
        }
        until = performance.now() + limits[intent];
        const result = await sent(client, call, intent, until, work);
        answers++;
        return result;
      } catch (error) {
        if (isReply(error)) answers++;
        else if (client) doubt(client, until, before);
        if (isLost(error) || isUnsent(error)) await turn();
        if (!client || !mayRepeat(error, client, intent)) throw found(error, call, intent);
        return await repeat(call, intent, work);
      }
    },
    native: supply.native,
    close: supply.close,
  };

  async function connected(call: Call): Promise<Client> {
    connecting++;
    try {
      return await supply.connect(call);
    } finally {
      connecting--;
    }
  }

  /**
   * A call has no answer. Unless the server answers something until that call's limit, it is silent, and what is sent
   * to it would pile up: the connection is left.
   */
  function doubt(client: Client, until: number, before: number): void {
    if (doubting || client.isCluster || client.status !== "ready") return;
    const hear = () => void answers++;
    client.ping().then(hear, hear);
    const left = Math.min(Math.max(until - performance.now(), 0), 2 ** 31 - 1);
    doubting = setTimeout(() => {
      doubting = undefined;
      if (answers === before) supply.drop(client);
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
      return await sent(client, call, intent, performance.now() + limits[intent], work);
    } catch (error) {
      throw found(error, call, intent);
    }
  }

  function sent<T>(
    client: Client,
    call: Call,
    intent: Intent,
    until: number,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    // Nothing is sent for a call that was given up while it waited, or whose time is over.
    if (call.signal?.aborted) return Promise.reject(call.signal.reason);
    if (call.deadline !== undefined && call.deadline <= Date.now()) return Promise.reject(over());
    const answer = watch.unsettled === 0 ? work(client) : together(client, work);
    return watch.inTime(answer, call, until, () => late(intent));
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
