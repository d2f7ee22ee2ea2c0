import { expect } from "vitest";
import type { Tally } from "../harness/effects.ts";

/** What came of a run in which consumers behind an inbox were killed. */
export interface Run {
  /** Deliveries that began. */
  readonly begun: number;
  /** Deliveries that were handled beyond the first of their number. */
  readonly duplicates: number;
  /** Deliveries that the inbox knew. */
  readonly repeated: number;
  readonly effects: Tally;
}

/** That each of `count` numbers has had its effect exactly once, and that the inbox had to see to it. */
export function expectOnce({ begun, duplicates, repeated, effects }: Run, count: number): void {
  expect(begun).toBeGreaterThan(count);
  // What was handled again, and what was cut off behind its effect.
  expect(repeated).toBeGreaterThanOrEqual(Math.max(duplicates, 1));
  expect(effects).toEqual({ missing: [], twice: [] });
}
