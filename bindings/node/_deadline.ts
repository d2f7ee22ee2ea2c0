import { Bag, type Bagged } from "../../src/bag.ts";
import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";

/** For work that belongs to no call. */
export const nobody: Call = {
  signal: undefined,
  deadline: undefined,
  trace: {},
  waitUntil: () => undefined,
};

/** A timer of more than this ends at once; one of less than 0 too, and with a warning. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Settles as `work` does, unless before that the call is aborted (it rejects with the signal's reason), or `limitMs`
 * or the time of the invocation is over ("unavailable", and `explain` says what took so long). Whoever does the
 * work must stop it: it is no longer waited for, and what becomes of it is not reported.
 */
export function inTime<T>(
  work: Promise<T>,
  call: Ends,
  limitMs: number,
  explain: () => string,
): Promise<T> {
  const { signal } = call;
  if (signal?.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const late = () => {
      settled();
      reject(new ComponentError("unavailable", explain()));
    };
    const left = Math.min(Math.max(leftOf(call, limitMs), 0), LONGEST_MS);
    const timer = setTimeout(late, left);
    signal?.addEventListener("abort", abort, { once: true });
    work.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        settled();
        reject(error);
      },
    );

    function abort() {
      settled();
      reject(signal?.reason);
    }

    function settled() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  });
}

/** Milliseconds between two looks at what is waited for: as late may a call end. */
const LOOK_MS = 10;

interface Waiting extends Bagged {
  readonly until: number;
  readonly signal: AbortSignal | undefined;
  readonly reject: (reason: unknown) => void;
  readonly explain: () => string;
}

/** Waits for what is many and short. */
export interface Watch {
  /** What was given to it and has not settled, also when nobody waits for it any more. */
  readonly unsettled: number;
  /**
   * As {@link inTime}, but up to {@link LOOK_MS} late, also for a signal that is aborted already. `until` is by
   * `performance.now()`.
   */
  inTime<T>(work: Promise<T>, call: Ends, until: number, explain: () => string): Promise<T>;
}

/**
 * One timer looks after all that is waited for: to set and clear one for each, and to listen to its signal, takes a sixth of
 * the time of a call to a server on this machine.
 */
export function createWatch(): Watch {
  const waiting = new Bag<Waiting>();
  let timer: NodeJS.Timeout | undefined;
  let unsettled = 0;
  return {
    get unsettled() {
      return unsettled;
    },
    inTime(work, { signal, deadline }, latest, explain) {
      unsettled++;
      return new Promise((resolve, reject) => {
        const until = deadline === undefined ? latest : Math.min(latest, onClock(deadline));
        const one: Waiting = { at: -1, until, signal, reject, explain };
        waiting.add(one);
        timer ??= setInterval(look, LOOK_MS).unref();
        work.then(
          (value) => {
            unsettled--;
            waiting.remove(one);
            resolve(value);
          },
          (error) => {
            unsettled--;
            waiting.remove(one);
            reject(error);
          },
        );
      });
    },
  };

  function look(): void {
    const now = performance.now();
    waiting.each((one) => {
      const { signal, until, reject, explain } = one;
      if (signal?.aborted) reject(signal.reason);
      else if (until <= now) reject(new ComponentError("unavailable", explain()));
      else return;
      waiting.remove(one);
    });
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }
}

/** A time of day by `performance.now()`. */
function onClock(time: number): number {
  return performance.now() + time - Date.now();
}

type Ends = Pick<Call, "signal" | "deadline">;

function leftOf({ deadline }: Ends, limitMs: number): number {
  return deadline === undefined ? limitMs : Math.min(limitMs, deadline - Date.now());
}

/** Waits for what is said last. What becomes of it makes no difference. */
export async function farewell(work: Promise<unknown> | undefined, limitMs: number): Promise<void> {
  if (work) await inTime(work, nobody, limitMs, () => "").catch(() => undefined);
}
