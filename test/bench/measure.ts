export interface Row extends Figures {
  readonly what: string;
  readonly reference: string;
  readonly unit: string;
  readonly goal: Goal;
  /** What the reference took where the goal comes from. */
  readonly expected?: number | undefined;
}

export interface Figures {
  readonly ours: number;
  readonly theirs: number;
  /** Ours ÷ theirs, pair by pair: the median, which holds when the machine's speed drifts. */
  readonly ratio: number;
  /** Ours − theirs, pair by pair: the median. */
  readonly difference: number;
}

/** `ratio`: at most; `atLeast`: the ratio at least; `plus`, the difference, and `atMost`, ours, in the row's unit. */
export type Goal =
  | { readonly ratio: number }
  | { readonly atLeast: number }
  | { readonly plus: number }
  | { readonly atMost: number };

/** Each returns one measurement. They take turns, so that a machine whose speed drifts does not favour either. */
export async function interleave(
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
  rounds: number,
): Promise<Figures> {
  const [a, b]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes too: the first of a pair finds the caches colder.
    for (const into of round % 2 === 0 ? [a, b] : [b, a]) {
      into.push(await (into === a ? ours() : theirs()));
    }
  }
  return figures(a, b);
}

export function figures(ours: readonly number[], theirs: readonly number[]): Figures {
  const pairs = ours.map((value, index) => [value, theirs[index] as number] as const);
  return {
    ours: median(ours),
    theirs: median(theirs),
    ratio: median(pairs.map(([a, b]) => a / b)),
    difference: median(pairs.map(([a, b]) => a - b)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

/** Microseconds of this process's CPU that one call of `work` takes. */
export function cpuPer(times: number, work: () => Promise<unknown>): () => Promise<number> {
  return async () => {
    const before = process.cpuUsage();
    for (let time = 0; time < times; time++) await work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / times;
  };
}

/** Microseconds that one call of `work` takes. */
export function timePer(times: number, work: () => Promise<unknown>): () => Promise<number> {
  return async () => {
    const started = performance.now();
    for (let time = 0; time < times; time++) await work();
    return ((performance.now() - started) * 1000) / times;
  };
}

/** Whether the reference is more than a quarter away from what it was where the goal comes from. */
export function isElsewhere({ theirs, expected }: Row): boolean {
  return expected !== undefined && Math.abs(theirs / expected - 1) > 0.25;
}

export function met({ ours, ratio, difference, goal }: Row): boolean {
  if ("plus" in goal) return difference <= goal.plus;
  if ("atMost" in goal) return ours <= goal.atMost;
  return "atLeast" in goal ? ratio >= goal.atLeast : ratio <= goal.ratio;
}
