/** Upper bounds in milliseconds, as daprd has them. */
const bounds = [
  1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400,
  500, 650, 800, 1000, 2000, 5000, 10000, 20000, 50000, 100000,
];

export interface Series {
  count: number;
  sum: number;
  /** By bound; what is beyond the last is only in the count. */
  readonly buckets: Float64Array;
}

export function newSeries(): Series {
  return { count: 0, sum: 0, buckets: new Float64Array(bounds.length) };
}

export function observe(series: Series, ms: number): void {
  series.count++;
  series.sum += ms;
  for (let at = 0; at < bounds.length; at++) {
    if (ms > (bounds[at] as number)) continue;
    (series.buckets[at] as number)++;
    return;
  }
}

/** What a map has for a key, made where there is nothing yet. */
export function madeIn<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

export function countsOf(all: ReadonlyMap<string, Series>): Map<string, number> {
  return new Map([...all].map(([labels, { count }]) => [labels, count]));
}

export function counter(name: string, help: string, counts: ReadonlyMap<string, number>): string[] {
  if (counts.size === 0) return [];
  const lines = [...counts].map(([labels, value]) => `${name}{${labels}} ${value}`);
  return [...head(name, help, "counter"), ...lines];
}

export function histogram(name: string, help: string, all: ReadonlyMap<string, Series>): string[] {
  if (all.size === 0) return [];
  const lines = [...all].flatMap(([labels, { count, sum, buckets }]) => {
    let below = 0;
    const lines = bounds.map((bound, at) => {
      below += buckets[at] as number;
      return `${name}_bucket{${labels},le="${bound}"} ${below}`;
    });
    return [
      ...lines,
      `${name}_bucket{${labels},le="+Inf"} ${count}`,
      `${name}_sum{${labels}} ${sum}`,
      `${name}_count{${labels}} ${count}`,
    ];
  });
  return [...head(name, help, "histogram"), ...lines];
}

export function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}.`, `# TYPE ${name} ${type}`];
}

export function label(name: string, value: string): string {
  const escaped = value.replace(/[\\"\n]/g, (found) => (found === "\n" ? "\\n" : `\\${found}`));
  return `${name}="${escaped}"`;
}
