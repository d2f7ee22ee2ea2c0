import type { Clock } from "../../src/contracts/host.ts";
import type { IncomingMessage, Outcome } from "../../src/contracts/pubsub.ts";
import { type Ledger, type Phase, uncounted } from "./_kafka-ledger.ts";
import { createQueue } from "./_queue.ts";

/** A record as the line keeps it. */
export interface Record {
  readonly offset: number;
  /** Records with the same one are handled one after the other. */
  readonly key: string | undefined;
  message(attempt: number): IncomingMessage;
}

export interface LineOptions {
  /** The first record that it takes. */
  readonly from: number;
  /** Records that it holds before it asks for no more. */
  readonly limit: number;
  /** Of the deliveries that were begun. */
  readonly ledger: Ledger;
  readonly clock: Clock;
  deliver(message: IncomingMessage, lost: AbortSignal): Promise<Outcome>;
  /** Milliseconds before a record comes again whose handler asked for no other time. */
  delay(attempt: number): number;
  /** Something ended: there may be more to start, and more to commit. */
  changed(): void;
}

/**
 * The records of one partition, from when they are fetched until their group has committed them. They are handled in any
 * order but that of their keys; what may be committed is what has no unhandled record before it.
 */
export interface Line {
  /** The next record to fetch. */
  readonly next: number;
  readonly running: number;
  /** Something waits for that to be written. */
  readonly asks: boolean;
  /** It has, to be started or in hand, what may have ended another process. */
  readonly isSuspicious: boolean;
  /** So much is to be committed that it will soon start nothing more. */
  readonly behind: boolean;
  /** Whether it can go on where this is committed, with that text: then nobody else has gone on from where it was. */
  continues(committed: number, text: string): boolean;
  /** What to commit, if anything. */
  draft(phase: Phase): Draft | undefined;
  /** It was committed. */
  accept(draft: Draft): void;
  /** To be called now and then: whether nothing came since the last time, and what is about to begin is to be taken back. */
  rest(): boolean;
  /** The broker takes no such text: what begins is counted here alone. */
  uncount(): void;
  /** Takes what it does not have yet; `next` is the position after them. */
  push(records: readonly Record[], next: number): void;
  hasRoom(): boolean;
  /** Resolves once there is room, or the line has ended. */
  room(): Promise<void>;
  /** Delivers the next record that may be; false where there is none. */
  start(): boolean;
  /** Starts nothing any more; resolves once what runs has ended. */
  stop(): Promise<void>;
  /** The partition is another's now: what its handlers come to has no effect. */
  lose(): void;
}

/** A commit. */
export interface Draft {
  readonly offset: number;
  /** Absent where nothing is counted. */
  readonly text: string | undefined;
  /** What begins once it is committed. */
  readonly begins: readonly Entry[];
  readonly leaving: boolean;
}

/** Records past the oldest unhandled one: so many at most come twice after a crash. */
const MOST_AHEAD = 10_000;

/** Records that are handled and not committed: while the broker is away, so many at most are handled for nothing. */
const MOST_UNCOMMITTED = 200;

export function createLine(options: LineOptions): Line {
  const { from, limit, clock, deliver, delay, changed } = options;
  /** Everything that is not handled, in the order of the partition. */
  const open = new Set<number>();
  const waiting = createQueue<Entry>();
  /** What comes again goes first. */
  const again: Entry[] = [];
  /** Keys that have a record in hand or held, with the records that wait for it. */
  const keys = new Map<string, Entry[]>();
  const running = new Set<Promise<void>>();
  /** What begins once that is written. */
  const asked = new Set<Entry>();
  /** But for those that wait for their key. */
  const suspects = new Set<Entry>();
  const lost = new AbortController();
  const ended = new AbortController();
  let next = from;
  let roomy: (() => void)[] = [];
  let { ledger } = options;
  let committed = from;
  let latest: Draft | undefined;
  let written: string | undefined;
  /** Since `rest` was called: something began, nothing did, and nothing did for longer. */
  let pace: "busy" | "slow" | "idle" = "busy";
  return {
    get next() {
      return next;
    },
    get running() {
      return running.size + asked.size;
    },
    get asks() {
      return asked.size > 0;
    },
    get isSuspicious() {
      return suspects.size > 0;
    },
    get behind() {
      if (done() - committed >= MOST_UNCOMMITTED / 2) return true;
      if (ended.signal.aborted) return false;
      return asked.size > 0 || (waiting.length > 0 && ledger.isShort(position()));
    },
    continues(offset, text) {
      const does = committed <= offset && offset <= done() && ledger.wrote(text, offset);
      if (does) committed = offset;
      return does;
    },
    draft,
    accept,
    rest() {
      pace = pace === "busy" || open.size > 0 ? "slow" : "idle";
      return pace === "idle" && written !== undefined;
    },
    uncount() {
      ledger = uncounted;
      beginAll(asked);
    },
    push,
    hasRoom,
    room: () => (hasRoom() ? Promise.resolve() : new Promise((resolve) => roomy.push(resolve))),
    start,
    async stop() {
      end();
      await Promise.all(running);
    },
    lose() {
      end();
      lost.abort();
    },
  };

  function end(): void {
    ended.abort();
    asked.clear();
    tell();
  }

  function done(): number {
    for (const oldest of open) return oldest;
    return next;
  }

  function push(records: readonly Record[], after: number): void {
    for (const record of records) {
      if (record.offset < next || ledger.isHandled(record.offset)) continue;
      open.add(record.offset);
      const entry = { record, attempt: ledger.begun(record.offset) + 1 };
      waiting.push(entry);
      suspect(entry);
    }
    next = Math.max(next, after);
  }

  function suspect(entry: Entry): void {
    if (ledger.isSuspect(entry.record.offset)) suspects.add(entry);
  }

  function hasRoom(): boolean {
    if (ended.signal.aborted) return true;
    return open.size < limit && next - done() < MOST_AHEAD;
  }

  function tell(): void {
    if (!hasRoom()) return;
    for (const resolve of roomy) resolve();
    roomy = [];
  }

  function start(): boolean {
    if (ended.signal.aborted || done() - committed >= MOST_UNCOMMITTED) return false;
    const entry = again.shift() ?? take();
    if (!entry) return false;
    if (ledger.covers(entry.record.offset, entry.attempt)) begin(entry);
    else asked.add(entry);
    return true;
  }

  function begin(entry: Entry): void {
    pace = "busy";
    ledger.begin(entry.record.offset, entry.attempt);
    const work = handle(entry).finally(() => {
      running.delete(work);
      tell();
      changed();
    });
    running.add(work);
  }

  function draft(wanted: Phase): Draft | undefined {
    const offset = done();
    const isIdle = pace === "idle" && open.size === 0;
    const phase = ended.signal.aborted || isIdle ? "leaving" : wanted;
    const leaving = phase === "leaving";
    const begins = leaving ? [] : [...asked];
    const attempts = new Map(begins.map(({ record, attempt }) => [record.offset, attempt]));
    const text = ledger.write({ from: offset, position: position(), asked: attempts, phase });
    if (offset === committed && text === written) return undefined;
    written = undefined;
    latest = { offset, text, begins, leaving };
    return latest;
  }

  function accept(given: Draft): void {
    committed = Math.max(committed, given.offset);
    // A later one was sent meanwhile, and what that says holds.
    if (given !== latest) return;
    if (!given.leaving) written = given.text;
    ledger.accept();
    beginAll(given.begins);
  }

  function beginAll(entries: Iterable<Entry>): void {
    if (ended.signal.aborted) return;
    for (const entry of entries) {
      asked.delete(entry);
      begin(entry);
    }
  }

  function position(): number {
    return waiting.first?.record.offset ?? next;
  }

  function take(): Entry | undefined {
    while (open.size - waiting.length < ledger.most) {
      const entry = waiting.first;
      if (!entry) return undefined;
      waiting.shift();
      const { key, offset } = entry.record;
      ledger.look(offset);
      if (key === undefined) return entry;
      const behind = keys.get(key);
      if (!behind) {
        keys.set(key, []);
        return entry;
      }
      behind.push(entry);
      suspects.delete(entry);
    }
    return undefined;
  }

  async function handle(entry: Entry): Promise<void> {
    const { record, attempt } = entry;
    const started = clock.now();
    const outcome = await deliver(record.message(attempt), lost.signal);
    suspects.delete(entry);
    if (lost.signal.aborted) return;
    if (outcome.is === "retry") {
      hold({ record, attempt: attempt + 1 }, outcome.delay ?? delay(attempt));
      return;
    }
    open.delete(record.offset);
    ledger.handled(record.offset, clock.now() - started);
    if (record.key === undefined) return;
    const following = keys.get(record.key)?.shift();
    if (!following) return void keys.delete(record.key);
    again.push(following);
    suspect(following);
  }

  function hold(entry: Entry, ms: number): void {
    clock.sleep(ms, ended.signal).then(
      () => {
        again.push(entry);
        changed();
      },
      () => undefined,
    );
  }
}

interface Entry {
  readonly record: Record;
  readonly attempt: number;
}
