import type { Admin, Consumer, EachBatchPayload } from "kafkajs";
import type { Clock } from "../../src/contracts/host.ts";
import { originOf } from "./_kafka-errors.ts";
import { type Feed, isBehind, isSuspicious, pumpAll } from "./_kafka-feed.ts";
import type { Draft, Line } from "./_kafka-line.ts";
import { fromRecord, type HeaderSettings, keyOf } from "./_kafka-message.ts";
import { findPositions } from "./_kafka-positions.ts";

export interface RunOptions {
  readonly feeds: ReadonlyMap<string, Feed>;
  readonly admin: Admin;
  readonly group: string;
  readonly oldest: boolean;
  readonly headers: HeaderSettings;
  readonly clock: Clock;
  /** Makes the consumer; `again` says whether it is to start by itself after a failure. */
  consumer(again: () => boolean): Consumer;
  /** It has ended for good after it had joined. */
  failed(): void;
}

/** A member of the group, for the topics that there are when it starts. */
export interface Run {
  /** Resolves once it has its partitions, with their positions fixed; rejects where it cannot have them. */
  readonly joined: Promise<void>;
  /** Something may be committed, soon. */
  changed(): void;
  /** Commits what is handled. Never rejects. */
  flush(): Promise<unknown>;
  stop(): Promise<void>;
}

/** A promise with what settles it. */
function settleable() {
  let resolve = (): void => undefined;
  let reject = (_error: unknown): void => undefined;
  const promise = new Promise<void>((onResolved, onRejected) => {
    resolve = onResolved;
    reject = onRejected;
  });
  return { promise, resolve, reject };
}

/** Handled records wait so long for others, to be committed with them. */
const COMMIT_MS = 100;
/** A first member waits so long for a group that is not ready. */
const JOIN_MS = 15_000;
const RETRY_MS = 500;
/** A batch waits so long for its line to have room; then others are fetched without it. */
const HOLD_MS = 300;
const NOT_YET_MS = 20;
/** For so long, and no longer than twice that, an idle member may begin without a commit before it. */
const REST_MS = 5000;
const LOOKS = 30;
const LOOK_MS = 100;

export function startRun(options: RunOptions): Run {
  const { feeds, admin, group, oldest, headers, clock } = options;
  const stopped = new AbortController();
  /** Counts the group's assignments to this member; those of `settled` can be consumed. */
  let epoch = 0;
  let settled = -1;
  let state: "joining" | "member" | "away" = "joining";
  let timer: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setInterval> | undefined;
  let flushing: Promise<unknown> = Promise.resolve();
  let commits = 0;
  let hurrying = false;
  const joined = settleable();
  joined.promise.catch(() => undefined);
  const patience = clock.now() + JOIN_MS;
  // A coordinator that has just started refuses everybody for a while.
  const consumer = options.consumer(
    () => !stopped.signal.aborted && (epoch > 0 || clock.now() < patience),
  );
  const { events } = consumer;

  consumer.on(events.GROUP_JOIN, ({ payload }) => {
    epoch++;
    state = "member";
    void settle(epoch, payload.memberAssignment);
  });
  consumer.on(events.REBALANCING, () => {
    // Before the group divides the partitions anew: the commit is sent before the request to join.
    flushing = Promise.all([flushing, leave()]);
  });
  consumer.on(events.COMMIT_OFFSETS, () => {
    commits++;
  });
  consumer.on(events.CRASH, ({ payload }) => {
    state = "away";
    if (payload.restart || stopped.signal.aborted) return;
    if (epoch === 0) joined.reject(payload.error);
    else options.failed();
  });
  const started = start();
  return { joined: joined.promise, changed, flush, stop };

  async function start(): Promise<void> {
    try {
      await consumer.connect();
      await lookUp();
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 100,
        eachBatch,
      });
    } catch (error) {
      joined.reject(error);
    }
  }

  /** A topic that the broker makes because it was asked for is not there at once. */
  async function lookUp(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await consumer.subscribe({ topics: [...feeds.keys()] });
      } catch (error) {
        const { type } = error as { readonly type?: string };
        if (type !== "UNKNOWN_TOPIC_OR_PARTITION" || attempt === LOOKS) throw error;
      }
      await clock.sleep(LOOK_MS, stopped.signal);
    }
  }

  async function settle(mine: number, assignment: Record<string, number[]>): Promise<void> {
    for (const feed of feeds.values()) feed.retain(assignment[feed.topic] ?? []);
    while (mine === epoch && !stopped.signal.aborted) {
      await flushing;
      const commit = consumer.commitOffsets.bind(consumer);
      const found = await findPositions({ admin, group, assignment, oldest, commit }).catch(
        () => undefined,
      );
      if (mine !== epoch) return;
      if (!found) {
        await clock.sleep(NOT_YET_MS, stopped.signal).catch(() => undefined);
        continue;
      }
      for (const position of found) {
        const { topic, partition } = position;
        const line = feeds.get(topic)?.assign(position);
        if (line) consumer.seek({ topic, partition, offset: String(line.next) });
      }
      settled = mine;
      watch ??= setInterval(rest, REST_MS);
      joined.resolve();
      pumpAll(feeds);
      // What was handled while nothing could be committed: lines may wait for just that.
      changed();
      return;
    }
  }

  /** Only takes: kafkajs fetches the next batch of any partition when all batches of a broker were taken. */
  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, isStale, resolveOffset, pause } = payload;
    const { topic, partition } = batch;
    const feed = feeds.get(topic);
    const line = feed?.lines.get(partition);
    if (settled !== epoch || !line || isStale() || stopped.signal.aborted) {
      await clock.sleep(NOT_YET_MS);
      return;
    }
    const records = batch.messages.map((record) => ({
      offset: Number(record.offset),
      key: keyOf(record),
      message: (attempt: number) => fromRecord(topic, partition, record, headers, attempt),
    }));
    line.push(records, Number(batch.lastOffset()) + 1);
    resolveOffset(batch.lastOffset());
    pumpAll(feeds);
    hurry();
    await breathe(line, pause);
  }

  async function breathe(line: Line, pause: () => () => void): Promise<void> {
    if (line.hasRoom()) return;
    const over = new AbortController();
    const room = line.room().then(() => over.abort());
    await clock.sleep(HOLD_MS, AbortSignal.any([over.signal, stopped.signal])).catch(() => {});
    if (line.hasRoom() || stopped.signal.aborted) return;
    const resume = pause();
    void room.then(resume);
  }

  function changed(): void {
    hurry();
    timer ??= setTimeout(again, COMMIT_MS);
  }

  /** Commits at once where lines wait for it. */
  function hurry(): void {
    if (hurrying || !isBehind(feeds)) return;
    hurrying = true;
    void flush().then((kept) => {
      hurrying = false;
      if (kept) hurry();
    });
  }

  function lines() {
    return [...feeds.values()].flatMap(({ topic, lines }) =>
      [...lines].map(([partition, line]) => ({ topic, partition, line })),
    );
  }

  function flush(): Promise<boolean> {
    const flushed = flushing.then(() => commitHandled(false));
    flushing = flushed;
    return flushed;
  }

  /** The last commit before the partitions may be another's. */
  function leave(): Promise<boolean> {
    const left = commitHandled(true);
    state = "away";
    return left;
  }

  /** Whether something was committed. Never rejects. */
  async function commitHandled(leaving: boolean): Promise<boolean> {
    // What others committed before this assignment must not be written over.
    if (state !== "member" || settled !== epoch) return false;
    const phase = leaving ? "leaving" : isSuspicious(feeds) ? "alone" : "open";
    const ready = lines().flatMap((one) => {
      const draft = one.line.draft(phase);
      return draft ? [{ ...one, draft }] : [];
    });
    if (ready.length === 0) return false;
    try {
      await commit(ready);
    } catch (error) {
      if (originOf(error as Error).type === "OFFSET_METADATA_TOO_LARGE") {
        for (const { line } of ready) line.uncount();
      }
      // The next assignment says what is committed; without one, the same is tried again.
      if (!stopped.signal.aborted) timer ??= setTimeout(again, RETRY_MS);
      return false;
    }
    for (const { line, draft } of ready) line.accept(draft);
    pumpAll(feeds);
    hurry();
    return true;
  }

  async function commit(
    ready: readonly { topic: string; partition: number; draft: Draft }[],
  ): Promise<void> {
    const before = commits;
    await consumer.commitOffsets(
      ready.map(({ topic, partition, draft: { offset, text } }) => {
        return { topic, partition, offset: String(offset), metadata: text ?? null };
      }),
    );
    // kafkajs says nothing where it commits nothing, since it has not quite started or is about to end.
    if (commits === before) throw new Error("nothing was committed");
  }

  /** What nothing came for is not to be counted when this process is killed. */
  function rest(): void {
    if (lines().filter(({ line }) => line.rest()).length > 0) void flush();
  }

  function again(): void {
    timer = undefined;
    void flush();
  }

  async function stop(): Promise<void> {
    await started;
    flushing = flushing.then(leave);
    await flushing;
    stopped.abort();
    clearTimeout(timer);
    clearInterval(watch);
    joined.reject(new Error("the subscription was stopped"));
    await consumer.disconnect().catch(() => undefined);
  }
}
