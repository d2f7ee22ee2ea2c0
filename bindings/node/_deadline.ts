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
  return unless(work, call, limitMs, explain, (late, left) => {
    const timer = setTimeout(late, Math.min(Math.max(left, 0), LONGEST_MS));
    return () => clearTimeout(timer);
  });
}

/** Milliseconds between two looks at what is waited for: as late may a call end. */
const LOOK_MS = 10;

interface Waiting {
  /** By the process's own clock. */
  readonly until: number;
  late(): void;
}

/**
 * {@link inTime} for calls that are many and short, each ended up to {@link LOOK_MS} late: one timer looks after all of them,
 * because to set and clear one takes a twelfth of the time of a call to a server on this machine.
 */
export function createInTime(): typeof inTime {
  const waiting = new Set<Waiting>();
  let timer: NodeJS.Timeout | undefined;
  return (work, call, limitMs, explain) => unless(work, call, limitMs, explain, watch);

  function watch(late: () => void, left: number): () => void {
    const one = { until: performance.now() + left, late };
    waiting.add(one);
    timer ??= setInterval(look, LOOK_MS).unref();
    return () => waiting.delete(one);
  }

  function look(): void {
    const now = performance.now();
    for (const one of waiting) if (one.until <= now) one.late();
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }
}

type Ends = Pick<Call, "signal" | "deadline">;

/** `watch` calls `late` in so many milliseconds, unless what it returns is called before. */
function unless<T>(
  work: Promise<T>,
  { signal, deadline }: Ends,
  limitMs: number,
  explain: () => string,
  watch: (late: () => void, left: number) => () => void,
): Promise<T> {
  if (signal?.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const left = deadline === undefined ? limitMs : Math.min(limitMs, deadline - Date.now());
    const forget = watch(() => {
      settled();
      reject(new ComponentError("unavailable", explain()));
    }, left);
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
      forget();
      signal?.removeEventListener("abort", abort);
    }
  });
}

/** Waits for what is said last. What becomes of it makes no difference. */
export async function farewell(work: Promise<unknown> | undefined, limitMs: number): Promise<void> {
  if (work) await inTime(work, nobody, limitMs, () => "").catch(() => undefined);
}
