import type { Call } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";

/**
 * Settles as `work` does, unless before that the call is aborted (it rejects with the signal's reason), or `limitMs`
 * or the time of the invocation is over ("unavailable", and `explain` says what took so long). Whoever does the
 * work must stop it: it is no longer waited for, and what becomes of it is not reported.
 */
export function inTime<T>(
  work: Promise<T>,
  { signal, deadline }: Call,
  limitMs: number,
  explain: () => string,
): Promise<T> {
  if (signal?.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const left = deadline === undefined ? limitMs : Math.min(limitMs, deadline - Date.now());
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      reject(new ComponentError("unavailable", explain()));
    }, left);
    function abort() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    });
  });
}
