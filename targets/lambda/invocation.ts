import { pendingWork, traceFrom } from "../../src/call.ts";
import type { Call, Trace } from "../../src/contracts/host.ts";
import type { Listener } from "../../src/events.ts";
import { within } from "../../src/lifecycle.ts";
import { systemClock } from "../../src/web.ts";

/** What pillion reads of Lambda's context; it is handed on whole. */
export interface LambdaContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

/** What a call leaves of the invocation's time, so that a timeout can still be answered and reported. */
const MARGIN_MS = 200;

/** One run of the function. A class: V8 keeps what an object's own getter sees until it collects its old objects. */
export class Invocation implements Call {
  readonly deadline: number | undefined;
  readonly waitUntil: Call["waitUntil"];
  readonly #header: (name: string) => string | undefined;
  readonly #onEvent: Listener | undefined;
  readonly #settled: () => Promise<void>;
  #worked = false;
  #ended = false;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #trace: Trace | undefined;

  constructor(
    context: LambdaContext,
    header: (name: string) => string | undefined,
    onEvent: Listener | undefined,
  ) {
    // Handlers are also called by their authors' unit tests, with whatever context those make.
    const remaining = context?.getRemainingTimeInMillis?.();
    this.deadline = remaining === undefined ? undefined : Date.now() + remaining;
    const pending = pendingWork(onEvent);
    this.#header = header;
    this.#onEvent = onEvent;
    this.#settled = pending.settled;
    this.waitUntil = (work) => {
      this.#worked = true;
      pending.waitUntil(work);
    };
  }

  get trace(): Trace {
    this.#trace ??= traceFrom(this.#header);
    return this.#trace;
  }

  get signal(): AbortSignal | undefined {
    if (this.#controller || this.deadline === undefined) return this.#controller?.signal;
    const controller = new AbortController();
    const abort = () =>
      controller.abort(new DOMException("the function is about to time out", "TimeoutError"));
    this.#controller = controller;
    // It keeps the process: one with nothing else to do would end under a handler that never does.
    if (!this.#ended) this.#timer = setTimeout(abort, timeLeft(this.deadline));
    return controller.signal;
  }

  /** Waits for `waitUntil` work, as long as there is time to answer, and lets go of the invocation. */
  async end(): Promise<void> {
    // An answer is not to be lost to what runs beside it.
    const left = this.deadline && timeLeft(this.deadline);
    if (this.#worked && !(await within(left, this.#settled(), systemClock))) {
      const error = new DOMException(
        "work given to waitUntil was left behind at the timeout",
        "TimeoutError",
      );
      this.#onEvent?.({ type: "waituntil.failed", error });
    }
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

function timeLeft(deadline: number): number {
  return Math.max(0, deadline - Date.now() - MARGIN_MS);
}
