import type { State } from "../../blocks/state/api.ts";
import type { StateFeature } from "../../contracts/state.ts";

/** What a case gets: an opened store with nothing in it under the keys that the case uses. */
export interface StateBed {
  readonly state: State;
  /** Makes a key that no other case and no other run uses. */
  key(name: string): string;
  /** Lets `ms` go by on the clock that the store's time to live obeys. */
  pass(ms: number): Promise<void>;
  /** Milliseconds on that clock. */
  now(): number;
  /** The shortest time to live that the store takes, in seconds. Default 1. */
  readonly leastTtl?: number | undefined;
}

export interface StateCase {
  /** Run only for stores that claim all of these. */
  readonly needs?: readonly StateFeature[];
  /** Run only for stores that do not claim it: they must refuse. */
  readonly lacks?: StateFeature;
  run(bed: StateBed): Promise<void>;
}

/** Seconds that cases add to their times to live, and wait longer, so that a store takes even their shortest. */
export function beyond({ leastTtl = 1 }: StateBed): number {
  return leastTtl - 1;
}
