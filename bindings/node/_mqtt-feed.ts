import type { Clock } from "../../src/contracts/host.ts";
import type { IncomingMessage, SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { filterOf } from "./_mqtt-topics.ts";
import type { Turns } from "./_mqtt-turns.ts";

/** A message in this process, from when it came until it is acknowledged. */
export interface Entry {
  readonly message: Omit<IncomingMessage, "attempt">;
  /** Deliveries that have begun. */
  begun: number;
  /** Whether it was in the hands of a process that ended. */
  suspect: boolean;
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
  /** Whether the next of them is to begin alone. */
  readonly suspect: boolean;
  /** Handlers that run. */
  readonly running: number;
  /** Messages that are about to be handled, and wait for the broker's answer. */
  readonly claiming: number;
  /** Begins what may begin. */
  next(): void;
  /** Starts no further handler; resolves once those that run have ended. */
  stop(): Promise<void>;
}

/** Handlers at a time where the subscription does not say: what mosquitto hands out before the first is acknowledged. */
export const CONCURRENCY = 20;
/** Milliseconds before a message comes again whose handler asked for no other time. */
const REDELIVERY_MS = 1000;

export interface FeedOptions {
  readonly clock: Clock;
  /** No delivery begins that the next process could not know of. */
  readonly counts: boolean;
  readonly turns: Turns;
  /** Whether nothing may begin yet. */
  waits(): boolean;
  /** Fewer wait, or fewer run. */
  took(): void;
  /** Other subscriptions may begin what they could not. */
  again(): void;
}

export function createFeed(request: SubscribeRequest, options: FeedOptions): Feed {
  const { concurrency = CONCURRENCY, maxRetries = 0, deliver } = request;
  const { clock, counts, turns, waits, took, again } = options;
  const waiting: Entry[] = [];
  const running = new Set<Promise<void>>();
  let claiming = 0;
  const stopped = new AbortController();
  return {
    filter: filterOf(request.topic),
    get waiting() {
      return waiting.length;
    },
    get suspect() {
      return waiting.length > 0 && isSuspect(waiting[0]);
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
    next,
    async stop() {
      stopped.abort();
      for (const entry of waiting.splice(0)) entry.drop();
      again();
      await Promise.all(running);
    },
  };

  function next(): void {
    while (running.size + claiming < concurrency && !stopped.signal.aborted && !waits()) {
      const [entry] = waiting;
      if (!entry || !turns.take(isSuspect(entry))) return;
      waiting.shift();
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
    if (!stopped.signal.aborted) return run(entry);
    entry.drop();
    turns.give();
  }

  function run(entry: Entry): void {
    const work = handle(entry).finally(() => {
      running.delete(work);
      entry.suspect = false;
      turns.give();
      next();
      took();
    });
    running.add(work);
  }

  /** Of its last delivery: beside one that ends its process, it would be given up and perhaps never begun. */
  function isSuspect(entry: Entry | undefined): boolean {
    return counts && entry?.suspect === true && entry.begun >= maxRetries;
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
        // Behind one that waits for all others to end.
        waiting.splice(isSuspect(waiting[0]) ? 1 : 0, 0, entry);
        next();
      },
      () => entry.drop(),
    );
  }
}
