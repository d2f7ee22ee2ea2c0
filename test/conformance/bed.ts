import type { StateBed } from "../../src/conformance/index.ts";

let beds = 0;

/** Free of `node:`, so that it runs inside every platform. */
export function bedOf(
  state: StateBed["state"],
  clock: { now(): number; pass(ms: number): void | Promise<void> },
  leastTtl?: number,
): StateBed {
  const run = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}-${beds++}`;
  return {
    state,
    key: (name) => `${run}-${name}`,
    now: clock.now,
    pass: async (ms) => clock.pass(ms),
    leastTtl,
  };
}
