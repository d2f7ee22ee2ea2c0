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
  { signal, deadline }: Pick<Call, "signal" | "deadline">,
  limitMs: number,
  explain: () => string,
): Promise<T> {
  if (signal?.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const left = deadline === undefined ? limitMs : Math.min(limitMs, deadline - Date.now());
    const timer = setTimeout(
      () => {
        settled();
        reject(new ComponentError("unavailable", explain()));
      },
      Math.min(Math.max(left, 0), LONGEST_MS),
    );
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

/** Waits for what is said last. What becomes of it makes no difference. */
export async function farewell(work: Promise<unknown> | undefined, limitMs: number): Promise<void> {
  if (work) await inTime(work, nobody, limitMs, () => "").catch(() => undefined);
}
