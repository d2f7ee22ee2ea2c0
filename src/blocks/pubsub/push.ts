import type { Call } from "../../contracts/host.ts";
import { configurationError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { receive } from "./receive.ts";
import { checkRetries } from "./retries.ts";
import { checkSubscription } from "./scopes.ts";
import { checkSubscriptions, inboxOf, type TopicSubscription } from "./subscribe.ts";

/**
 * Consumes what a platform brings, batch after batch. Throws `ERR_CONFIGURATION` for a subscription to which it cannot
 * bring anything. What this returns never rejects: a batch that nothing in the app is for, or that could not be
 * settled, is told to the listener as `handler.failed`, and `giveBack` is called.
 */
export function push(
  runtime: Runtime,
  subscriptions: readonly TopicSubscription[],
): (batch: unknown, call: Call, giveBack: () => void) => Promise<void> {
  checkPushed(runtime, subscriptions);
  return async (batch, call, giveBack) => {
    try {
      if (await receive(runtime, subscriptions, batch, call)) return;
      const { queue } = batch as { readonly queue?: unknown };
      throw configurationError(
        `app ${runtime.options.id} has no subscription for queue ${queue}: subscribe to its topic, or say by the component's settings which one it belongs to`,
      );
    } catch (error) {
      runtime.onEvent?.({ type: "handler.failed", error });
      giveBack();
    }
  };
}

/** Throws `ERR_CONFIGURATION` for the first subscription to which a platform cannot bring anything. */
export function checkPushed(runtime: Runtime, subscriptions: readonly TopicSubscription[]): void {
  checkSubscriptions(runtime.options.id, subscriptions);
  for (const subscription of subscriptions) check(runtime, subscription);
}

function check(runtime: Runtime, subscription: TopicSubscription): void {
  const { pubsub, topic } = subscription;
  const opened = runtime.find("pubsub", pubsub);
  const { instance, component } = opened;
  checkSubscription(opened, subscription);
  // Its store may open only inside an invocation, as a Durable Object does.
  inboxOf(subscription);
  const what = `cannot subscribe to topic ${topic} of ${pubsub}`;
  if (!instance.accept) {
    throw configurationError(
      `${what}: nothing brings the messages of ${component.type} to ${runtime.options.host.target}, and nothing runs between invocations to fetch them. Use pubsub.cloudflare.queues on Workers, pubsub.aws.snssqs on Lambda`,
    );
  }
  checkRetries(opened, subscription);
}
