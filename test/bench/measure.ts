export interface Row {
  readonly what: string;
  readonly reference: string;
  readonly unit: string;
  readonly ours: number;
  readonly theirs: number;
  readonly goal: Goal;
}

/** `ratio`: ours ÷ reference at most; `atLeast`: that ratio at least; `plus`: ours − reference at most, in the row's unit. */
export type Goal =
  | { readonly ratio: number }
  | { readonly atLeast: number }
  | { readonly plus: number };

/** Each returns one measurement. They take turns, so that a machine whose speed drifts does not favour either. */
export async function interleave(
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
  rounds: number,
): Promise<{ ours: number; theirs: number }> {
  const [a, b]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes too: the first of a pair finds the caches colder.
    const order = round % 2 === 0 ? [a, b] : [b, a];
    for (const into of order) into.push(await (into === a ? ours() : theirs()));
  }
  return { ours: median(a), theirs: median(b) };
}

export function median(values: readonly number[]): number {
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

export function met({ ours, theirs, goal }: Row): boolean {
  if ("plus" in goal) return ours - theirs <= goal.plus;
  if ("atLeast" in goal) return ours / theirs >= goal.atLeast;
  return ours / theirs <= goal.ratio;
}
