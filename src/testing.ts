import type { Clock } from "./contracts/host.ts";

export interface VirtualClock extends Clock {
  /** Moves time on and wakes, in order, every sleeper whose time has come. */
  advance(ms: number): void;
}

/** A clock that stands still until it is advanced: for `serve(app, { clock })` and `open(app, { clock })` in tests. */
export function virtualClock(start = Date.now()): VirtualClock {
  let now = start;
  const sleepers = new Set<{ at: number; wake(): void }>();
  return {
    now: () => now,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const sleeper = { at: now + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", () => sleepers.delete(sleeper) && reject(signal.reason), {
          once: true,
        });
      });
    },
    advance(ms) {
      now += ms;
      const due = [...sleepers].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
      for (const sleeper of due) {
        sleepers.delete(sleeper);
        sleeper.wake();
      }
    },
  };
}
