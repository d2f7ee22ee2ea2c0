import type { Host } from "../../src/contracts/host.ts";
import type { SubscribeRequest, Subscription } from "../../src/contracts/pubsub.ts";
import { config } from "./_config.ts";
import { inTime, nobody } from "./_deadline.ts";
import { createFeed, type Feed, pumpAll } from "./_kafka-feed.ts";
import { type Run, type RunOptions, startRun } from "./_kafka-run.ts";

export interface SessionOptions {
  readonly host: Host;
  readonly component: string;
  /** Records held of a partition. */
  readonly limit: number;
  delay(attempt: number): number;
  /** What a member of the group is made of. */
  run(): Promise<Omit<RunOptions, "feeds" | "failed">>;
}

/** The component's one membership of its group, for the topics of all of its subscriptions. */
export interface Session {
  subscribe(request: SubscribeRequest): Promise<Subscription>;
  close(): Promise<void>;
}

/** Subscriptions that come so close after each other join together. */
const GATHER_MS = 10;
/** More than a group waits for its other members when one joins. */
const JOINED_MS = 90_000;
const BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 10_000;

export function createSession(options: SessionOptions): Session {
  const { host, component, limit, delay } = options;
  const { clock } = host;
  const mark = host.random.uuid().slice(0, 8);
  const feeds = new Map<string, Feed>();
  const closed = new AbortController();
  let run: Run | undefined;
  let turn = Promise.resolve();
  let queued: Promise<void> | undefined;
  let healing = false;
  return { subscribe, close };

  async function subscribe(request: SubscribeRequest): Promise<Subscription> {
    const { topic } = request;
    if (feeds.has(topic)) {
      throw config(component, `topic ${topic} has a subscription already: join the two`);
    }
    const feed = createFeed(request, { limit, clock, mark, delay, changed });
    feeds.set(topic, feed);
    try {
      await renew();
    } catch (error) {
      feeds.delete(topic);
      heal();
      throw error;
    }
    let stopping: Promise<void> | undefined;
    return { stop: () => (stopping ??= leave(feed)) };
  }

  function changed(): void {
    pumpAll(feeds);
    run?.changed();
  }

  async function leave(feed: Feed): Promise<void> {
    await feed.stop();
    await run?.flush();
    if (feeds.get(feed.topic) !== feed) return;
    feeds.delete(feed.topic);
    await renew().catch(heal);
  }

  /** Joins anew, for the topics that there are then. Whoever asks while others wait for it joins with them. */
  function renew(): Promise<void> {
    if (queued) return queued;
    const next = turn.then(async () => {
      await clock.sleep(GATHER_MS);
      queued = undefined;
      await run?.stop();
      run = undefined;
      if (feeds.size === 0 || closed.signal.aborted) return;
      const parts = await options.run();
      // A copy: a topic that comes later is for the next member.
      run = startRun({ ...parts, feeds: new Map(feeds), failed: heal });
      const late = () => `component ${component}: its group gave it nothing in ${JOINED_MS} ms`;
      await inTime(run.joined, nobody, JOINED_MS, late);
    });
    queued = next;
    turn = next.catch(() => undefined);
    return next;
  }

  /** Goes on trying for the subscriptions that there are. */
  function heal(): void {
    if (healing) return;
    healing = true;
    void mend().finally(() => {
      healing = false;
    });
  }

  async function mend(): Promise<void> {
    for (let attempt = 0; feeds.size > 0 && !closed.signal.aborted; attempt++) {
      const wait = Math.min(BACKOFF_MS * 2 ** attempt, LONGEST_BACKOFF_MS);
      try {
        await clock.sleep(wait, closed.signal);
        return await renew();
      } catch {
        // Once more, after a longer wait.
      }
    }
  }

  async function close(): Promise<void> {
    closed.abort();
    await Promise.all([...feeds.values()].map((feed) => feed.stop()));
    // Whoever waits for it to have joined waits no longer.
    await run?.stop();
    await turn;
    await run?.stop();
    run = undefined;
    feeds.clear();
  }
}
