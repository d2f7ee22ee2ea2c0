import type { Call } from "../../contracts/host.ts";
import type { IncomingMessage, Outcome } from "../../contracts/pubsub.ts";
import type { Runtime } from "../../runtime.ts";
import { parallel } from "../parallel.ts";
import { createReceiver, deliver } from "./deliver.ts";
import type { OpenedPubSub } from "./handle.ts";
import { lanesOf } from "./lanes.ts";
import { checkSubscription } from "./scopes.ts";
import { guardedBy, type TopicSubscription } from "./subscribe.ts";

/**
 * Handles an event with which a platform brings messages: resolves to what the invocation is to return, or to undefined for
 * an event that belongs to no subscription's component. Throws `ERR_PUBSUB_FORBIDDEN` for a subscription that the scopes
 * keep from the app.
 */
export async function receive(
  runtime: Runtime,
  subscriptions: readonly TopicSubscription[],
  event: unknown,
  call: Call,
): Promise<{ readonly result: unknown } | undefined> {
  for (const name of new Set(subscriptions.map(({ pubsub }) => pubsub))) {
    const opened = runtime.find("pubsub", name);
    const own = subscriptions.filter(({ pubsub }) => pubsub === name);
    for (const subscription of own) checkSubscription(opened, subscription);
    const guarded = own.map((subscription) => guardedBy(subscription, runtime.find));
    const topics = own.map(({ topic }) => topic);
    const batch = opened.instance.accept?.(event, topics);
    if (!batch) continue;
    const outcomes = await handleAll(runtime, opened, guarded, batch.messages, call);
    return { result: await batch.settle(outcomes, call) };
  }
  return undefined;
}

async function handleAll(
  runtime: Runtime,
  opened: OpenedPubSub,
  subscriptions: readonly TopicSubscription[],
  messages: readonly IncomingMessage[],
  call: Call,
): Promise<Outcome[]> {
  // What nothing in the app is for, the broker keeps for one that has something.
  const outcomes = messages.map((): Outcome => ({ is: "retry" }));
  const numbered = messages.map((message, index) => ({ message, index }));
  const handling = subscriptions.map((subscription) => {
    const { topic, options } = subscription;
    const own = numbered.filter(({ message }) => (message.subscribed ?? message.topic) === topic);
    const receiver = createReceiver(runtime, opened, subscription, true, call);
    const lanes = lanesOf(own, ({ message }) => message.orderingKey);
    return parallel(lanes, options.concurrency ?? lanes.length, async (lane) => {
      let held: Outcome | undefined;
      for (const { message, index } of lane) {
        // Those behind one that is to come again come after it, so that their order stays.
        const outcome = held ?? (await deliver(receiver, message));
        outcomes[index] = outcome;
        if (outcome.is === "retry") held = outcome;
      }
    });
  });
  await Promise.all(handling);
  return outcomes;
}
