/** Items in rows: those with the same key are one row, in their order; each without a key is a row of its own. */
export function lanesOf<T>(items: readonly T[], keyOf: (item: T) => string | undefined): T[][] {
  const lanes: T[][] = [];
  const keyed = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const lane = key === undefined ? undefined : keyed.get(key);
    if (lane) {
      lane.push(item);
      continue;
    }
    const fresh = [item];
    lanes.push(fresh);
    if (key !== undefined) keyed.set(key, fresh);
  }
  return lanes;
}
