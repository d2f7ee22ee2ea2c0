/** How often the records from a position on were begun. */
export interface Tally {
  /** By offset, in that order. Below `top` what is not here is handled. */
  readonly counts: Map<number, number>;
  readonly top: number;
}

const HANDLED = "-";
const RUN = "(-|[0-9a-z]{1,6})(\\*[0-9a-z]{1,6})?";
const TALLY = new RegExp(`^${RUN}(,${RUN})*$`);
/** More records than a process ever leaves behind. */
const LONGEST = 1_000_000;

/** Runs of records with the same count, as `3,-*5,1*2`, in digits of base 36. Nothing for what others wrote there. */
export function parse(text: string, from: number): Tally {
  const counts = new Map<number, number>();
  let top = from;
  if (!TALLY.test(text)) return { counts, top };
  for (const run of text.split(",")) {
    const [count = "", length = "1"] = run.split("*");
    const end = top + Number.parseInt(length, 36);
    if (end - from > LONGEST) return { counts: new Map(), top: from };
    for (; top < end; top++) if (count !== HANDLED) counts.set(top, Number.parseInt(count, 36));
  }
  return { counts, top };
}

/** `ahead` more records stand there as begun once. */
export function format(from: number, { counts, top }: Tally, ahead: number): string {
  const runs: { readonly count: string; length: number }[] = [];
  const add = (count: string, length: number) => {
    const last = runs.at(-1);
    if (last?.count === count) last.length += length;
    else if (length > 0) runs.push({ count, length });
  };
  let at = from;
  for (const [offset, count] of counts) {
    add(HANDLED, offset - at);
    add(count.toString(36), 1);
    at = offset + 1;
  }
  add(HANDLED, top - at);
  add("1", ahead);
  return runs
    .map(({ count, length }) => (length > 1 ? `${count}*${length.toString(36)}` : count))
    .join(",");
}
