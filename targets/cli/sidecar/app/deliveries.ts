import { setTimeout as sleep } from "node:timers/promises";
import { startSubscriptions } from "../../../../src/blocks/pubsub/start.ts";
import type { TopicSubscription } from "../../../../src/blocks/pubsub/subscribe.ts";
import type { Subscription } from "../../../../src/contracts/pubsub.ts";
import { ApiError, messageOf } from "../../../../src/errors.ts";
import type { Runtime } from "../../../../src/runtime.ts";
import type { Way } from "../../../_app/deliver.ts";
import type { PathSubscription } from "../../../_app/routes.ts";
import { toTopic } from "../../../_app/topic.ts";
import type { Log } from "../log.ts";
import type { ChannelClient } from "./client.ts";

/** Subscriptions on their way to an app, and what is live of them. */
export interface Deliveries {
  /** Resolves once every subscription that can be is live, or once stopped. What cannot be is logged. */
  start(subscriptions: readonly PathSubscription[]): Promise<void>;
  /**
   * Takes no new message, and resolves once those in hand are done, also those of a stop that is under way: to false where
   * that took longer than `limitMs` and they were given up, so that they come again.
   */
  stop(limitMs: number): Promise<boolean>;
}

/** Of the time that a broker gives a handler, what a message may wait for its turn; the rest is the app's. */
const WAIT_SHARE = 0.5;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;

/** What deliveries need of the sidecar. */
interface Means {
  readonly client: ChannelClient;
  readonly log: Log;
  /** Calls of the app at a time. */
  readonly limit: number | undefined;
}

export function createDeliveries(runtime: Runtime, { client, log, limit }: Means): Deliveries {
  const warn = (text: string) => log.write("warning", text);
  let live: Subscription[] = [];
  let stopping = new AbortController();
  let cut = new AbortController();
  let open = false;
  let ending: Promise<unknown> = Promise.resolve();
  return {
    async start(subscriptions) {
      stopping = new AbortController();
      cut = new AbortController();
      open = true;
      const { signal } = stopping;
      await Promise.all(subscriptions.map((one) => begin(one, signal)));
    },
    async stop(limitMs) {
      stopping.abort();
      const ended = live;
      live = [];
      // What a broker still hands over while its subscription ends goes back to it.
      open = false;
      ending = Promise.allSettled([ending, ...ended.map((one) => one.stop())]);
      const whole = await within(limitMs, ending);
      if (!whole) cut.abort(new ApiError("ERR_RUNTIME_CLOSED", "the sidecar takes it back"));
      return whole;
    },
  };

  async function begin(subscription: PathSubscription, stopped: AbortSignal): Promise<void> {
    const { pubsub, topic } = subscription;
    try {
      const topicSubscription = toTopic(wayFor(pubsub), subscription);
      const started = await persist(topicSubscription, stopped);
      if (!started) return;
      if (stopped.aborted) await started.stop();
      else live.push(started);
    } catch (error) {
      log.write("error", `failed to subscribe to topic ${topic} of ${pubsub}: ${messageOf(error)}`);
    }
  }

  /** More messages in hand than the app is called for would only wait, and their time with them. */
  function wayFor(pubsub: string): Way {
    const { processingTimeout, concurrency } = runtime.find("pubsub", pubsub).instance;
    const wait = processingTimeout === undefined ? undefined : processingTimeout * WAIT_SHARE;
    const most =
      concurrency === undefined ? undefined : Math.min(concurrency, limit ?? concurrency);
    return { client: client.within(wait), warn, open: () => open, concurrency: most };
  }

  /** A broker that is away is asked again: without its subscription the app would miss what is published. */
  async function persist(
    subscription: TopicSubscription,
    stopped: AbortSignal,
  ): Promise<Subscription | undefined> {
    for (let wait = FIRST_RETRY_MS; !stopped.aborted; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
      try {
        return await startSubscriptions(runtime, [subscription], cut.signal);
      } catch (error) {
        if (!ApiError.is(error, "unavailable")) throw error;
        warn(`${messageOf(error)}; trying again in ${wait} ms`);
        await sleep(wait, undefined, { signal: stopped, ref: false }).catch(() => undefined);
      }
    }
    return undefined;
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const ended = new AbortController();
  const late = sleep(ms, false, { signal: ended.signal, ref: false }).catch(() => false);
  const whole = await Promise.race([work.then(() => true), late]);
  ended.abort();
  return whole;
}
