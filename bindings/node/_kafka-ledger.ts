import { createAhead } from "./_ahead.ts";
import { format, parse } from "./_kafka-tally.ts";

/**
 * What became of a partition's records past its committed position, in the text that Kafka keeps beside that. Whoever has the
 * partition next takes for begun what stands there as begun. So a delivery stands there before it begins: a further one of a
 * record by itself, a first one among as many as begin in a moment.
 */
export interface Ledger {
  /** Records that may be looked at and not handled: the text has room for no more. */
  readonly most: number;
  /** A record is not to be delivered: somebody handled it. */
  isHandled(offset: number): boolean;
  /** Deliveries of a record that were begun before it was fetched, as far as can be known. */
  begun(offset: number): number;
  /** Processes that ended without a word may have begun it all but once, and nothing here has: it may be what ended them. */
  isSuspect(offset: number): boolean;
  /** It is to begin, or to wait for its key; each record in its turn. */
  look(offset: number): void;
  /** Whether that delivery may begin: it is written. */
  covers(offset: number, attempt: number): boolean;
  begin(offset: number, attempt: number): void;
  handled(offset: number, ms: number): void;
  /** First deliveries from `position` on will soon have to be written. */
  isShort(position: number): boolean;
  /** What to write; what was written before and is not in it is covered no more. */
  write(page: Page): string | undefined;
  /** The last page was written. */
  accept(): void;
  /** Whether this process wrote it, beside that position. */
  wrote(text: string, position: number): boolean;
}

export interface Page {
  /** The position to commit. */
  readonly from: number;
  /** The first record that was not looked at. */
  readonly position: number;
  /** Attempts by offset that want to begin. */
  readonly asked: ReadonlyMap<number, number>;
  readonly phase: Phase;
}

/**
 * What begins until the next page: first deliveries beside what was asked for, that alone, or nothing, since the partition may
 * be another's right after.
 */
export type Phase = "open" | "alone" | "leaving";

export interface LedgerOptions {
  /** What is before it is handled. */
  readonly base: number;
  /** What stands beside that position. */
  readonly text: string;
  /** Where the partition's records end: who wrote that has begun nothing from there on. */
  readonly end: number;
  /** This process, in what it writes. */
  readonly mark: string;
  readonly concurrency: number;
  readonly maxRetries: number;
}

/** Where a subscription does not bound the deliveries, nothing is written. */
export const uncounted: Ledger = {
  most: Number.POSITIVE_INFINITY,
  isHandled: () => false,
  begun: () => 0,
  isSuspect: () => false,
  look: () => undefined,
  covers: () => true,
  begin: () => undefined,
  handled: () => undefined,
  isShort: () => false,
  write: () => undefined,
  accept: () => undefined,
  wrote: () => true,
};

/** First deliveries are written for so long. */
const MOMENT_MS = 50;
/** Ten characters of the text for each: a broker takes 4096 (`offset.metadata.max.bytes`). */
const MOST_OPEN = 300;
/** Of a process that had the time to say so. */
const LEFT = "left:";
const TEXT = /^pillion:[0-9a-f]{8}:(\d+):(left:)?(.*)$/;
/** No offset is below it. */
const NOWHERE = -1;

export function createLedger(options: LedgerOptions): Ledger {
  const { base, text, end, mark, concurrency, maxRetries } = options;
  const prefix = `pillion:${mark}:`;
  const { tally, left } = read(text, base);
  const found = parse(tally, base);
  const { counts } = found;
  let top = Math.min(found.top, end);
  const suspects = new Set<number>();
  for (const [offset, count] of counts) {
    if (offset >= end) counts.delete(offset);
    // Of its last delivery: beside one that ends its process, it would be given up and perhaps never begun.
    else if (count > 0 && count >= maxRetries && !left) suspects.add(offset);
  }
  // One that is written and did not begin would have had its only delivery.
  const isExact = maxRetries === 0;
  const ahead = createAhead(concurrency, MOMENT_MS);
  /** First deliveries below it are written. */
  let reach = NOWHERE;
  let next = NOWHERE;
  const moment = () => concurrency + ahead.count();
  return {
    most: MOST_OPEN,
    isHandled: (offset) => offset < top && !counts.has(offset),
    begun: (offset) => counts.get(offset) ?? 0,
    isSuspect: (offset) => suspects.has(offset),
    look(offset) {
      if (offset < top) return;
      counts.set(offset, 0);
      top = offset + 1;
    },
    covers: (offset, attempt) => attempt === 1 && offset < reach,
    begin(offset, attempt) {
      counts.set(offset, attempt);
      suspects.delete(offset);
    },
    handled(offset, ms) {
      counts.delete(offset);
      ahead.ended(ms);
    },
    isShort: (position) => !isExact && reach - position < moment(),
    write({ from, position, asked, phase }) {
      forgetBelow(from);
      const isOpen = phase === "open" && !isExact;
      next = isOpen ? Math.max(top, position + 2 * moment()) : NOWHERE;
      // At once: nobody knows whether a commit that failed was made.
      reach = Math.min(reach, next);
      const written = { counts: begins(asked, isOpen ? 1 : 0), top };
      const start = `${prefix}${from}:${phase === "leaving" && suspects.size === 0 ? LEFT : ""}`;
      return start + format(from, written, isOpen ? next - Math.max(top, from) : 0);
    },
    accept() {
      reach = next;
    },
    wrote: (other, offset) => other.startsWith(`${prefix}${offset}:`),
  };

  /** What the broker had no more. */
  function forgetBelow(from: number): void {
    for (const offset of counts.keys()) {
      if (offset >= from) return;
      counts.delete(offset);
      suspects.delete(offset);
    }
  }

  function begins(asked: ReadonlyMap<number, number>, least: number): Map<number, number> {
    return new Map(
      [...counts].map(([offset, count]) => [offset, asked.get(offset) ?? Math.max(count, least)]),
    );
  }
}

/** Its position stands in a text, since tools that copy a group to another cluster keep the text and change the position. */
function read(text: string, base: number): { readonly tally: string; readonly left: boolean } {
  const [, position, left, tally = ""] = TEXT.exec(text) ?? [];
  return { tally: Number(position) === base ? tally : "", left: left === LEFT };
}
