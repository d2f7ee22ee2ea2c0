import type { Clock } from "../../src/contracts/host.ts";
import type { IncomingMessage, SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { filterOf } from "./_mqtt-topics.ts";

/** A message in this process, from when it came until it is acknowledged. */
export interface Entry {
  readonly message: Omit<IncomingMessage, "attempt">;
  /** Deliveries that have begun. */
  begun: number;
  /** Resolves once the next delivery is counted, whatever becomes of this process; undefined where it is. Never rejects. */
  claim(): Promise<void> | undefined;
  /** It was handled: the broker may forget it. */
  done(): void;
  /** Nobody here will handle it: the broker is to send it again. */
  drop(): void;
}

/** One subscription: the messages that wait for its handlers, and those that are to come again. */
export interface Feed {
  readonly filter: string;
  push(entry: Entry): void;
  /** Messages that wait to be handled. */
  readonly waiting: number;
  /** Handlers that run. */
  readonly running: number;
  /** Messages that are about to be handled, and wait for the broker's answer. */
  readonly claiming: number;
  /** Starts no further handler; resolves once those that run have ended. */
  stop(): Promise<void>;
}

/** Handlers at a time where the subscription does not say: what mosquitto hands out before the first is acknowledged. */
export const CONCURRENCY = 20;
/** Milliseconds before a message comes again whose handler asked for no other time. */
const REDELIVERY_MS = 1000;

/** `counts`: no delivery begins that the next process could not know of. */
export function createFeed(
  request: SubscribeRequest,
  clock: Clock,
  counts: boolean,
  took: () => void,
): Feed {
  const { concurrency = CONCURRENCY, deliver } = request;
  const waiting: Entry[] = [];
  const running = new Set<Promise<void>>();
  let claiming = 0;
  const stopped = new AbortController();
  return {
    filter: filterOf(request.topic),
    get waiting() {
      return waiting.length;
    },
    get running() {
      return running.size;
    },
    get claiming() {
      return claiming;
    },
    push(entry) {
      if (stopped.signal.aborted) return entry.drop();
      waiting.push(entry);
      next();
    },
    async stop() {
      stopped.abort();
      for (const entry of waiting.splice(0)) entry.drop();
      took();
      await Promise.all(running);
    },
  };

  function next(): void {
    while (running.size + claiming < concurrency && !stopped.signal.aborted) {
      const entry = waiting.shift();
      if (!entry) return;
      const claimed = counts ? entry.claim() : undefined;
      if (claimed) void claim(entry, claimed);
      else run(entry);
      took();
    }
  }

  async function claim(entry: Entry, claimed: Promise<void>): Promise<void> {
    claiming++;
    await claimed;
    claiming--;
    if (stopped.signal.aborted) entry.drop();
    else run(entry);
  }

  function run(entry: Entry): void {
    const work = handle(entry).finally(() => {
      running.delete(work);
      next();
      took();
    });
    running.add(work);
  }

  async function handle(entry: Entry): Promise<void> {
    const outcome = await deliver({ ...entry.message, attempt: ++entry.begun });
    if (outcome.is === "done") {
      entry.done();
      return;
    }
    // The broker would send it again only on a new connection.
    clock.sleep(outcome.delay ?? REDELIVERY_MS, stopped.signal).then(
      () => {
        waiting.unshift(entry);
        next();
      },
      () => entry.drop(),
    );
  }
}
