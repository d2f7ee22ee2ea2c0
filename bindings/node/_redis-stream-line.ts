import type { SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { createAhead } from "./_ahead.ts";
import { createAcks } from "./_redis-stream-acks.ts";
import { toMessage } from "./_redis-stream-entry.ts";
import type { Entry, Group } from "./_redis-stream-group.ts";
import { createRetries } from "./_redis-stream-retries.ts";

/** One subscription: what it handles, what waits for it, and what it has still to tell the server. */
export interface Line {
  readonly topic: string;
  /** New messages that it can take. */
  room(): number;
  accept(entries: readonly Entry[]): void;
  /** Looks for messages that ended processes left, now and from time to time. */
  begin(): void;
  /** After a connection was lost, and perhaps the group too: finds what was delivered into the void. */
  recover(): Promise<void>;
  /** Begins nothing any more. */
  halt(): void;
  /** Once nothing is read for it any more: waits for what is in hand, and leaves the rest to others. */
  finish(): Promise<void>;
}

export interface LineOptions {
  readonly group: Group;
  readonly lease: number;
  readonly concurrency: number;
  readonly redeliverInterval: number;
  /** Tells that there is room again. */
  freed(): void;
}

/** Read, and not yet handled. `since`: when it was read, by the process's own clock. */
interface Waiting extends Entry {
  readonly since: number;
}

export function createLine({ deliver }: SubscribeRequest, options: LineOptions): Line {
  const { group, lease, concurrency, redeliverInterval, freed } = options;
  const { topic } = group;
  const running = new Set<string>();
  /** Those of them that were delivered before, here or elsewhere. */
  let again = 0;
  /** Asked of the server; each has its place among those that are handled. */
  const taking = new Set<string>();
  /** Read ahead, or when there was room for it which a retry has taken since. */
  const queue: Waiting[] = [];
  const ahead = createAhead(concurrency, AHEAD_MS);
  const acks = createAcks(group, freed);
  const retries = createRetries({ group, lease, redeliverInterval, isKnown, ready: pump });
  let halted = false;
  let tasks = 0;
  let quiet = (): void => undefined;

  return {
    topic,
    room() {
      if (halted || acks.full()) return 0;
      const extra = ahead.count();
      const free = concurrency + extra - busy() - queue.length;
      // What waits would make one read into many.
      if (free > 0 && (queue.length === 0 || extra === 0)) return free;
      // Retries alone would keep new messages out: one is read ahead, and gets what is free next.
      return queue.length === 0 && again + taking.size >= concurrency ? 1 : 0;
    },
    accept,
    begin: () => retries.begin(),
    recover: async () => {
      await group.ensure();
      await retries.recover();
    },
    halt() {
      halted = true;
      retries.stop();
    },
    async finish() {
      while (tasks > 0) await new Promise<void>((resolve) => (quiet = resolve));
      const unread = queue.splice(0).map(({ id }) => [id, 0] as const);
      const told = await Promise.all([acks.end(), retries.end()]);
      // Where the server is away, others find what this process had once the lease is over.
      if (!told.every(Boolean)) return;
      try {
        if (unread.length > 0) await group.give(unread, true);
        await group.leave();
      } catch {
        // It went away just now.
      }
    },
  };

  /** What comes while it is being stopped is left to others with the rest. */
  function accept(entries: readonly Entry[]): void {
    const since = performance.now();
    for (const entry of entries) queue.push({ ...entry, since });
    pump();
  }

  function busy(): number {
    return running.size + taking.size;
  }

  function isKnown(id: string): boolean {
    const inHand = running.has(id) || taking.has(id) || acks.has(id);
    return inHand || queue.some((entry) => entry.id === id);
  }

  function pump(): void {
    while (!halted && busy() < concurrency) {
      const entry = queue.shift();
      if (!entry) break;
      running.add(entry.id);
      const fresh = performance.now() - entry.since < lease / 10;
      track(fresh ? handle(entry, 0) : handleIfOurs(entry));
    }
    const free = concurrency - busy();
    if (!halted && free > 0 && taking.size === 0 && retries.due()) take(retries.next(free));
  }

  function take(ids: readonly string[]): void {
    for (const id of ids) taking.add(id);
    const taken = group.take(ids).catch(() => {
      retries.postpone(ids, RETRY_MS);
      return [];
    });
    track(taken.then(begin));

    function begin(entries: readonly Entry[]): void {
      taking.clear();
      if (halted) {
        accept(entries);
        return;
      }
      for (const entry of entries) {
        running.add(entry.id);
        again++;
        track(handle(entry, 1));
      }
      pump();
      freed();
    }
  }

  /** The lease runs while a message waits: one that waited long gets a new one, unless another has it by now. */
  async function handleIfOurs(entry: Waiting): Promise<void> {
    const { id } = entry;
    // Without an answer it is left: if it still is ours, the next look finds it.
    const kept = await group.keep([id]).catch((): string[] => []);
    if (kept.includes(id)) return handle(entry, 0);
    free(id, 0);
  }

  async function handle(entry: Entry, repeat: 0 | 1): Promise<void> {
    const { id } = entry;
    const begun = performance.now();
    const outcome = await deliver(toMessage(topic, entry));
    ahead.ended(performance.now() - begun);
    if (outcome.is === "done") acks.add(id);
    else retries.add(id, outcome.delay ?? (halted ? 0 : redeliverInterval));
    free(id, repeat);
  }

  function free(id: string, repeat: 0 | 1): void {
    running.delete(id);
    again -= repeat;
    pump();
    freed();
  }

  /** Work that is waited for in the end; none of it rejects. */
  function track(work: Promise<void>): void {
    tasks++;
    void work.then(() => {
      if (--tasks === 0) quiet();
    });
  }
}

/** As many messages are read ahead as are handled in so many milliseconds. */
const AHEAD_MS = 20;
/** Milliseconds until messages are asked for again that the server did not give. */
const RETRY_MS = 1000;
