/** Lets at most a number of calls be under way at a time; the others wait in their order. */
export interface Gate {
  /** Resolves to what ends the turn. Rejects with the signal's reason where that comes first. */
  enter(signal: AbortSignal): Promise<() => void>;
}

/** Without a limit everything goes through at once. */
export function createGate(limit: number | undefined): Gate {
  const waiting = new Set<() => void>();
  let free = limit ?? Number.POSITIVE_INFINITY;
  return { enter };

  async function enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (free > 0) free--;
    else await turn(signal);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      leave();
    };
  }

  function turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", end);
        resolve();
      };
      const end = () => {
        waiting.delete(begin);
        reject(signal.reason);
      };
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
    waiting.delete(next);
    next();
  }
}
