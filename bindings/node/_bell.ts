import type { Clock } from "../../src/contracts/host.ts";

/** What a loop waits at: for a time, or until somebody rings. */
export interface Bell {
  ring(): void;
  /** Resolves after `ms`, or once it was rung; rings that come close together wake once. */
  wait(ms: number): Promise<void>;
}

export function bell(clock: Clock): Bell {
  let rung = false;
  let answer = (): void => undefined;
  return {
    ring() {
      rung = true;
      answer();
    },
    async wait(ms) {
      if (!rung && ms > 0) {
        const timer = new AbortController();
        await new Promise<void>((resolve) => {
          answer = resolve;
          clock.sleep(ms, timer.signal).then(resolve, () => undefined);
        });
        timer.abort("rung");
      }
      // Whoever is about to ring does so now, and the process gets to its other work.
      await new Promise((resolve) => setImmediate(resolve));
      rung = false;
    },
  };
}
