import type { Call } from "../../contracts/host.ts";
import type { IncomingMessage, Outcome } from "../../contracts/pubsub.ts";
import type { Runtime } from "../../runtime.ts";
import { parallel } from "../parallel.ts";
import { deliver } from "./deliver.ts";
import type { OpenedPubSub } from "./handle.ts";
import type { TopicSubscription } from "./subscribe.ts";

/**
 * Handles an event with which a platform brings messages: resolves to what the invocation is to return, or to undefined for
 * an event that belongs to no subscription's component.
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
    const topics = own.map(({ topic }) => topic);
    const batch = opened.instance.accept?.(event, topics);
    if (!batch) continue;
    const outcomes = await handleAll(runtime, opened, own, batch.messages, call);
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
  const outcomes: Outcome[] = new Array(messages.length);
  await parallel(lanesOf(messages), messages.length, async (lane) => {
    let blocked = false;
    for (const index of lane) {
      const message = messages[index] as IncomingMessage;
      const subscription = subscriptions.find(({ topic }) => topic === message.topic);
      // Nothing in the app is for it: the broker keeps it for one that has.
      const outcome: Outcome =
        blocked || !subscription
          ? { is: "retry" }
          : await deliver({ runtime, opened, subscription }, message, call);
      outcomes[index] = outcome;
      if (message.orderingKey !== undefined) blocked ||= outcome.is === "retry";
    }
  });
  return outcomes;
}

/** Places of messages that are to be handled one after the other. */
function lanesOf(messages: readonly IncomingMessage[]): number[][] {
  const lanes: number[][] = [];
  const keyed = new Map<string, number[]>();
  for (const [index, { orderingKey, topic }] of messages.entries()) {
    const key = orderingKey === undefined ? undefined : JSON.stringify([topic, orderingKey]);
    const lane = key === undefined ? undefined : keyed.get(key);
    if (lane) {
      lane.push(index);
      continue;
    }
    const fresh = [index];
    lanes.push(fresh);
    if (key !== undefined) keyed.set(key, fresh);
  }
  return lanes;
}
