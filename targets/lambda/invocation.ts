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

export interface Invocation {
  readonly call: Call;
  /** Waits for `waitUntil` work, as long as there is time to answer, and lets go of the invocation. */
  end(): Promise<void>;
}

/** What a call leaves of the invocation's time, so that a timeout can still be answered and reported. */
const MARGIN_MS = 200;

export function startInvocation(
  context: LambdaContext,
  header: (name: string) => string | undefined,
  onEvent: Listener | undefined,
): Invocation {
  // Handlers are also called by their authors' unit tests, with whatever context those make.
  const remaining = context?.getRemainingTimeInMillis?.();
  const deadline = remaining === undefined ? undefined : Date.now() + remaining;
  const pending = pendingWork(onEvent);
  let worked = false;
  let ended = false;
  let controller: AbortController | undefined;
  let timer: NodeJS.Timeout | undefined;
  let trace: Trace | undefined;

  const call: Call = {
    deadline,
    get trace() {
      return (trace ??= traceFrom(header));
    },
    get signal() {
      if (controller || deadline === undefined) return controller?.signal;
      controller = new AbortController();
      const { signal } = controller;
      // It keeps the process: one with nothing else to do would end under a handler that never does.
      if (!ended) timer = setTimeout(abort, timeLeft(deadline));
      return signal;
    },
    waitUntil(work) {
      worked = true;
      pending.waitUntil(work);
    },
  };
  return { call, end };

  function abort(): void {
    controller?.abort(new DOMException("the function is about to time out", "TimeoutError"));
  }

  async function end(): Promise<void> {
    // An answer is not to be lost to what runs beside it.
    const left = deadline && timeLeft(deadline);
    if (worked && !(await within(left, pending.settled(), systemClock))) {
      const error = new DOMException(
        "work given to waitUntil was left behind at the timeout",
        "TimeoutError",
      );
      onEvent?.({ type: "waituntil.failed", error });
    }
    ended = true;
    clearTimeout(timer);
  }
}

function timeLeft(deadline: number): number {
  return Math.max(0, deadline - Date.now() - MARGIN_MS);
}
