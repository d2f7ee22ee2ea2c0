import type { Clock } from "../../src/contracts/host.ts";
import { systemClock } from "../../src/web.ts";

/** The system's clock, set forward by what was passed: time moves by itself, and sleepers really sleep. */
export interface MovableClock extends Clock {
  pass(ms: number): void;
}

export function movableClock(): MovableClock {
  let ahead = 0;
  return {
    now: () => systemClock.now() + ahead,
    sleep: systemClock.sleep,
    pass(ms) {
      ahead += ms;
    },
  };
}

/** For components whose time to live obeys their server: time passes only by waiting. */
export const realClock = { ...systemClock, pass: (ms: number) => systemClock.sleep(ms) };
