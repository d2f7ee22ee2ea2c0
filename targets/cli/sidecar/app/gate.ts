import { ApiError } from "../../../../src/errors.ts";

/** Lets at most a number of calls be under way at a time; the others wait in their order. */
export interface Gate {
  /**
   * Resolves to what ends the turn. Rejects with the signal's reason where that comes first, and with `ERR_RUNTIME_CLOSED`
   * after `limitMs`.
   */
  enter(signal: AbortSignal, limitMs?: number): Promise<() => void>;
}

/** Without a limit everything goes through at once. */
export function createGate(limit: number | undefined): Gate {
  const waiting = new Set<() => void>();
  let free = limit ?? Number.POSITIVE_INFINITY;
  return { enter };

  async function enter(signal: AbortSignal, limitMs?: number): Promise<() => void> {
    signal.throwIfAborted();
    if (free > 0) free--;
    else await turn(signal, limitMs);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      leave();
    };
  }

  function turn(signal: AbortSignal, limitMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leaveLine = () => {
        waiting.delete(begin);
        signal.removeEventListener("abort", end);
        clearTimeout(timer);
      };
      const begin = () => {
        leaveLine();
        resolve();
      };
      const end = () => {
        leaveLine();
        reject(signal.reason);
      };
      const late = () => {
        leaveLine();
        reject(busy(limit as number, limitMs as number));
      };
      const timer = limitMs === undefined ? undefined : setTimeout(late, limitMs);
      waiting.add(begin);
      signal.addEventListener("abort", end, { once: true });
    });
  }

  /** A turn goes straight to the next who waits. */
  function leave(): void {
    const [next] = waiting;
    if (!next) {
      free++;
      return;
    }
    next();
  }
}

/** Not the fault of what waited. */
function busy(limit: number, ms: number): ApiError {
  const text = `the app had no turn for it within ${ms} ms: raise --app-max-concurrency ${limit}, or what the broker waits`;
  return new ApiError("ERR_RUNTIME_CLOSED", text);
}
