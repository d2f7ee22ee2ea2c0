import type { Delays, Group } from "./_redis-stream-group.ts";

/** The ids of what is to be delivered again: soon, or after a delay. The messages stay with the server. */
export interface Retries {
  /** Looks for what ended processes left, now and from time to time. */
  begin(): void;
  /**
   * This process will ask for it after `delay` milliseconds. If it stops before, another does then, or when a lease is over
   * where that is sooner, as after a crash.
   */
  add(id: string, delay: number): void;
  /** Those that could not be had. */
  postpone(ids: readonly string[], delay: number): void;
  /** Whether any is due. */
  due(): boolean;
  /** Up to `count` that are due. They are forgotten here. */
  next(count: number): string[];
  /** Finds those that this consumer has without knowing it: the answer that brought them was lost. */
  recover(): Promise<void>;
  /** Leaves to others what waits here, and what is still to be added. */
  stop(): void;
  /** Resolves once all is left: whether the server knows. */
  end(): Promise<boolean>;
}

export interface RetriesOptions {
  readonly group: Group;
  readonly lease: number;
  readonly redeliverInterval: number;
  /** Whether a message is in hand in another way. */
  isKnown(id: string): boolean;
  /** Tells that something is due. */
  ready(): void;
}

interface Held {
  readonly timer: NodeJS.Timeout;
  /** By the process's own clock. */
  readonly until: number;
}

/** Ids held for their delay. More are left to the server, which does not wait longer than the lease. */
const MOST_HELD = 10_000;
/** Ids in one command. */
const PAGE = 100;

export function createRetries(options: RetriesOptions): Retries {
  const { group, lease, redeliverInterval, isKnown, ready } = options;
  const held = new Map<string, Held>();
  const due = new Set<string>();
  const timers: NodeJS.Timeout[] = [];
  /** The last look found more than it took. */
  let more = false;
  let looking = false;
  let stopped = false;
  let left = Promise.resolve(true);

  return {
    begin() {
      look();
      timers.push(setInterval(look, redeliverInterval), setInterval(keepAll, lease / 3));
      group.sweep().catch(() => undefined);
    },
    add(id, delay) {
      if (stopped) leave([[id, delay]]);
      else if (held.size >= MOST_HELD) group.give([[id, delay]], false).catch(() => undefined);
      else hold(id, delay);
    },
    postpone(ids, delay) {
      for (const id of ids) hold(id, delay);
    },
    due: () => due.size > 0,
    next(count) {
      const ids: string[] = [];
      for (const id of due) {
        if (ids.length === count) break;
        ids.push(id);
        due.delete(id);
      }
      if (more && due.size === 0) look();
      return ids;
    },
    async recover() {
      for (let last: string | undefined; ; ) {
        const ids = await group.own(last, PAGE);
        enlist(ids);
        if (ids.length < PAGE) return;
        last = ids.at(-1);
      }
    },
    stop() {
      stopped = true;
      for (const timer of timers) clearInterval(timer);
      const now = performance.now();
      const delays = [...held].map(([id, { until }]) => [id, Math.max(until - now, 0)] as const);
      for (const [id] of delays) forget(id);
      due.clear();
      for (let at = 0; at < delays.length; at += PAGE) leave(delays.slice(at, at + PAGE));
    },
    end: () => left,
  };

  function hold(id: string, delay: number): void {
    if (stopped) return;
    // It may have been in hand for its whole lease.
    group.keep([id]).catch(() => undefined);
    const timer = setTimeout(() => {
      held.delete(id);
      due.add(id);
      ready();
    }, delay);
    held.set(id, { timer, until: performance.now() + delay });
  }

  function leave(delays: Delays): void {
    const given = group.give(delays, false).then(
      () => true,
      () => false,
    );
    left = Promise.all([left, given]).then((all) => all.every(Boolean));
  }

  function look(): void {
    if (looking || due.size > 0 || stopped) return;
    looking = true;
    more = false;
    group
      .abandoned(PAGE)
      .then(
        (ids) => {
          const found = enlist(ids);
          more = ids.length === PAGE && found > 0;
        },
        () => undefined,
      )
      .finally(() => {
        looking = false;
      });
  }

  function enlist(ids: readonly string[]): number {
    const found = stopped ? [] : ids.filter((id) => !held.has(id) && !due.has(id) && !isKnown(id));
    for (const id of found) due.add(id);
    if (found.length > 0) ready();
    return found.length;
  }

  /** Without it others would take over what waits here longer than a lease. */
  async function keepAll(): Promise<void> {
    const ids = [...held.keys()];
    for (let at = 0; at < ids.length; at += PAGE) {
      const asked = ids.slice(at, at + PAGE);
      const kept = await group.keep(asked).then(
        (found) => new Set(found),
        () => undefined,
      );
      // Unheard is not lost: whoever asks for it in the end is told.
      if (!kept) return;
      for (const id of asked) if (!kept.has(id)) forget(id);
    }
  }

  function forget(id: string): void {
    clearTimeout(held.get(id)?.timer);
    held.delete(id);
  }
}
