/** How many messages a process takes beside those that it handles: what waits with it is kept from others. */
export interface Ahead {
  /** As many as are handled in a moment, as fast as it went lately. */
  count(): number;
  /** A delivery took so many milliseconds. */
  ended(ms: number): void;
}

const MOST = 100;

/** For `concurrency` handlers, and a moment of `momentMs`; none before the first has ended. */
export function createAhead(concurrency: number, momentMs: number): Ahead {
  /** The last ones count most. */
  let took = Number.POSITIVE_INFINITY;
  return {
    count: () => Math.floor(Math.min(MOST, (momentMs * concurrency) / took)),
    ended(ms) {
      took = Number.isFinite(took) ? took + (ms - took) / 8 : ms;
    },
  };
}
