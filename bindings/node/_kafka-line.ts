import type { Clock } from "../../src/contracts/host.ts";
import type { IncomingMessage, Outcome } from "../../src/contracts/pubsub.ts";

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
  /** The committed position, as far as this process knows. */
  committed: number;
  /** The next record to fetch. */
  readonly next: number;
  /** What may be committed. */
  readonly done: number;
  readonly running: number;
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

/** Records past the oldest unhandled one: so many at most come twice after a crash. */
const MOST_AHEAD = 10_000;

/** Records that are handled and not committed: while the broker is away, so many at most are handled for nothing. */
export const MOST_UNCOMMITTED = 200;

export function createLine(options: LineOptions): Line {
  const { from, limit, clock, deliver, delay, changed } = options;
  /** Everything that is not handled, in the order of the partition. */
  const open = new Set<number>();
  const waiting: (Entry | undefined)[] = [];
  /** What comes again goes first. */
  const again: Entry[] = [];
  /** Keys that have a record in hand or held, with the records that wait for it. */
  const keys = new Map<string, Entry[]>();
  const running = new Set<Promise<void>>();
  const lost = new AbortController();
  const ended = new AbortController();
  let head = 0;
  let next = from;
  let roomy: (() => void)[] = [];
  let committed = from;
  return {
    get committed() {
      return committed;
    },
    set committed(offset) {
      committed = offset;
    },
    get next() {
      return next;
    },
    get done() {
      return done();
    },
    get running() {
      return running.size;
    },
    push,
    hasRoom,
    room: () => (hasRoom() ? Promise.resolve() : new Promise((resolve) => roomy.push(resolve))),
    start,
    async stop() {
      ended.abort();
      tell();
      await Promise.all(running);
    },
    lose() {
      ended.abort();
      lost.abort();
      tell();
    },
  };

  function done(): number {
    for (const oldest of open) return oldest;
    return next;
  }

  function push(records: readonly Record[], after: number): void {
    for (const record of records) {
      if (record.offset < next) continue;
      open.add(record.offset);
      waiting.push({ record, attempt: 1 });
    }
    next = Math.max(next, after);
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
    const work = handle(entry).finally(() => {
      running.delete(work);
      tell();
      changed();
    });
    running.add(work);
    return true;
  }

  function take(): Entry | undefined {
    for (;;) {
      const entry = waiting[head];
      if (!entry) return undefined;
      // Gone from here too: what is handled must not stay in memory.
      waiting[head] = undefined;
      head++;
      // Not by shift(), which moves all that is behind.
      if (head > 1000 && head * 2 > waiting.length) {
        waiting.splice(0, head);
        head = 0;
      }
      const { key } = entry.record;
      if (key === undefined) return entry;
      const behind = keys.get(key);
      if (!behind) {
        keys.set(key, []);
        return entry;
      }
      behind.push(entry);
    }
  }

  async function handle(entry: Entry): Promise<void> {
    const { record, attempt } = entry;
    const outcome = await deliver(record.message(attempt), lost.signal);
    if (lost.signal.aborted) return;
    if (outcome.is === "retry") {
      hold({ record, attempt: attempt + 1 }, outcome.delay ?? delay(attempt));
      return;
    }
    open.delete(record.offset);
    if (record.key === undefined) return;
    const following = keys.get(record.key)?.shift();
    if (following) again.push(following);
    else keys.delete(record.key);
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
