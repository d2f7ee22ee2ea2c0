import type { Call, Trace } from "./contracts/host.ts";
import type { Listener } from "./events.ts";

/** Reads W3C trace context from the headers of whatever started an invocation. */
export function traceFrom(header: (name: string) => string | null | undefined): Trace {
  const trace: { -readonly [K in keyof Trace]: Trace[K] } = {};
  const traceparent = header("traceparent");
  if (traceparent && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}($|-)/.test(traceparent)) {
    trace.traceparent = traceparent;
    const tracestate = header("tracestate");
    if (tracestate) trace.tracestate = tracestate;
  }
  const baggage = header("baggage");
  if (baggage) trace.baggage = baggage;
  return trace;
}

/**
 * The call of an HTTP request, read from it only when somebody asks, or of what began without one. A class, because a
 * literal with getters takes ten times as long to make, and one is made for every request.
 */
export class RequestCall implements Call {
  readonly deadline = undefined;
  readonly waitUntil: Call["waitUntil"];
  readonly #request: Request | undefined;
  #outlives = false;
  #trace: Trace | undefined;

  constructor(request: Request | undefined, keepAlive: Call["waitUntil"]) {
    this.#request = request;
    this.waitUntil = (work) => {
      this.#outlives = true;
      keepAlive(work);
    };
  }

  /** Work given to `waitUntil` is not to fail because the client left: from then on nothing follows it. */
  get signal(): AbortSignal | undefined {
    return this.#outlives ? undefined : this.#request?.signal;
  }

  get trace(): Trace {
    this.#trace ??= traceFrom((name) => this.#request?.headers.get(name));
    return this.#trace;
  }
}

/** A call outside any invocation, for scripts and migrations; `settled` waits for its background work. */
export function backgroundCall(onEvent: Listener | undefined): Call & { settled(): Promise<void> } {
  const pending = pendingWork(onEvent);
  return { signal: undefined, trace: {}, deadline: undefined, ...pending };
}

/** `waitUntil` for platforms without one: `settled` resolves once all the work has, also what was added meanwhile. */
export function pendingWork(onEvent: Listener | undefined) {
  const pending = new Set<Promise<unknown>>();
  return {
    waitUntil(work: Promise<unknown>): void {
      const watched = watch(work, onEvent).finally(() => pending.delete(watched));
      pending.add(watched);
    },
    async settled(): Promise<void> {
      while (pending.size > 0) await Promise.all(pending);
    },
  };
}

/** Turns a rejection into an event, so that it can neither crash a process nor fail an invocation. */
export function watch(work: Promise<unknown>, onEvent: Listener | undefined): Promise<unknown> {
  return Promise.resolve(work).catch((error: unknown) =>
    onEvent?.({ type: "waituntil.failed", error }),
  );
}
