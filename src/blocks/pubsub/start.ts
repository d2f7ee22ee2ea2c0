import type { Call } from "../../contracts/host.ts";
import type { Subscription } from "../../contracts/pubsub.ts";
import { ApiError, ComponentError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { createReceiver, deliver } from "./deliver.ts";
import { checkRetries } from "./retries.ts";
import { checkSubscription } from "./scopes.ts";
import { checkSubscriptions, guardedBy, type TopicSubscription } from "./subscribe.ts";

/**
 * Subscribes a process to its topics; resolves once what is published from then on will be delivered. Throws
 * `ERR_CONFIGURATION` for the first that cannot be, of kind `unavailable` where the broker could not be had, with the
 * others stopped. Handlers that still run when `cut` is aborted are given up, and their messages come again.
 */
export async function startSubscriptions(
  runtime: Runtime,
  subscriptions: readonly TopicSubscription[],
  cut?: AbortSignal,
): Promise<Subscription> {
  checkSubscriptions(runtime.options.id, subscriptions);
  const call = { ...runtime.blocks.call, signal: cut };
  const starts = subscriptions.map((subscription) => start(runtime, subscription, call));
  // Also those that are live only after another has failed.
  const stop = async () =>
    void (await Promise.allSettled(starts.map(async (started) => (await started).stop())));
  try {
    await Promise.all(starts);
    return { stop };
  } catch (error) {
    void stop();
    throw error;
  }
}

async function start(
  runtime: Runtime,
  subscription: TopicSubscription,
  call: Call,
): Promise<Subscription> {
  const { pubsub, topic, options, source: declared } = subscription;
  try {
    const opened = runtime.find("pubsub", pubsub);
    checkSubscription(opened, subscription);
    if (!opened.instance.subscribe) {
      throw new Error(`${opened.component.type} delivers nothing to a process`);
    }
    checkRetries(opened, subscription);
    const { metadata = {}, concurrency, maxRetries, deadLetterTopic } = options;
    const guard = options.idempotent === true ? (await import("./inbox.ts")).inbox() : undefined;
    const guarded =
      guard?.guard(subscription, runtime.find) ?? guardedBy(subscription, runtime.find);
    const receiver = createReceiver(runtime, opened, guarded, false, call);
    return await opened.instance.subscribe(
      {
        topic,
        metadata,
        concurrency,
        maxRetries,
        deadLetterTopic,
        deliver: (message, lost) => deliver(receiver, message, lost),
      },
      call,
    );
  } catch (cause) {
    if (ApiError.is(cause, "ERR_CONFIGURATION")) throw cause;
    const where = declared ? `${declared}: ` : "";
    const text = `${where}cannot subscribe to topic ${topic} of ${pubsub}: ${messageOf(cause)}`;
    const kind = ComponentError.is(cause) ? cause.kind : "config";
    throw new ApiError("ERR_CONFIGURATION", text, { cause, kind });
  }
}
