import { Bag, type Bagged } from "../../bag.ts";
import { traceFrom } from "../../call.ts";
import type { Call, Clock, Trace } from "../../contracts/host.ts";
import type { CloudEvent } from "./api.ts";

/**
 * The call of one handler, and its end. A class that makes a signal when it is asked for one: most handlers need none, and
 * making it takes longer than all else that core does for a message.
 */
export class HandlerCall implements Call, Bagged {
  at = -1;
  /** Milliseconds that it has at most, and since the epoch when they are over. */
  limit = Number.POSITIVE_INFINITY;
  until = Number.POSITIVE_INFINITY;
  readonly deadline: number | undefined;
  readonly waitUntil: Call["waitUntil"];
  readonly #event: CloudEvent;
  #stop: AbortController | undefined;
  #ended: { readonly reason: unknown } | undefined;
  #giveUp: ((reason: unknown) => void) | undefined;

  constructor({ deadline, waitUntil }: Call, event: CloudEvent) {
    this.deadline = deadline;
    this.waitUntil = waitUntil;
    this.#event = event;
  }

  get signal(): AbortSignal {
    if (!this.#stop) {
      this.#stop = new AbortController();
      if (this.#ended) this.#stop.abort(this.#ended.reason);
    }
    return this.#stop.signal;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  get trace(): Trace {
    return traceFrom((name) => textOf(this.#event[name]));
  }

  /** Settles as `answer` does, or as soon as the call is ended, with the reason. */
  settled<T>(answer: T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      Promise.resolve(answer).then(resolve, reject);
      if (this.#ended) reject(this.#ended.reason);
    });
  }

  end(reason: unknown): void {
    this.#ended = { reason };
    this.#stop?.abort(reason);
    this.#giveUp?.(reason);
  }
}

function textOf(attribute: unknown): string | undefined {
  return typeof attribute === "string" ? attribute : undefined;
}

/** Handlers at work, of one subscription or of one batch. */
export interface Running {
  /** Ends the call after `limit` milliseconds, or with the call that all of them belong to, until it is removed. */
  add(call: HandlerCall, limit: number | undefined): void;
  remove(call: HandlerCall): void;
}

/** A clock that sleeps keeps a process alive: no longer than this after its last handler. */
const LONGEST_SLEEP_MS = 1000;

/** One sleep watches over all, since a timer for each takes a tenth of a message's time. */
export function createRunning(clock: Clock, { signal }: Call): Running {
  const calls = new Bag<HandlerCall>();
  let sleep: { readonly until: number; readonly stop: AbortController } | undefined;
  signal?.addEventListener("abort", () => calls.each((call) => call.end(signal.reason)));
  return {
    add(call, limit = Number.POSITIVE_INFINITY) {
      const until = clock.now() + limit;
      call.limit = limit;
      call.until = until;
      calls.add(call);
      if (until < (sleep?.until ?? Number.POSITIVE_INFINITY)) lookAt(until);
    },
    remove: (call) => calls.remove(call),
  };

  function lookAt(until: number): void {
    const now = clock.now();
    sleep?.stop.abort(null);
    const stop = new AbortController();
    const ms = Math.min(Math.max(until - now, 0), LONGEST_SLEEP_MS);
    sleep = { until: now + ms, stop };
    clock.sleep(ms, stop.signal).then(look, () => undefined);
  }

  function look(): void {
    sleep = undefined;
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    calls.each((call) => {
      const { limit, until } = call;
      if (until > now) next = Math.min(next, until);
      else call.end(new DOMException(`the handler did not end within ${limit} ms`, "TimeoutError"));
    });
    if (next < Number.POSITIVE_INFINITY) lookAt(next);
  }
}
