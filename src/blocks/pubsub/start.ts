import type { Subscription } from "../../contracts/pubsub.ts";
import { ApiError, configurationError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { deliver } from "./deliver.ts";
import { checkScopes } from "./scopes.ts";
import { checkSubscriptions, type TopicSubscription } from "./subscribe.ts";

/**
 * Subscribes a process to its topics; resolves once what is published from then on will be delivered. Throws
 * `ERR_CONFIGURATION` for the first that cannot be, with the others stopped.
 */
export async function startSubscriptions(
  runtime: Runtime,
  subscriptions: readonly TopicSubscription[],
): Promise<Subscription> {
  checkSubscriptions(runtime.options.id, subscriptions);
  const begun = await Promise.allSettled(
    subscriptions.map((subscription) => start(runtime, subscription)),
  );
  const live = begun.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
  const stop = async () => void (await Promise.allSettled(live.map((one) => one.stop())));
  const failed = begun.find((outcome) => outcome.status === "rejected");
  if (!failed) return { stop };
  await stop();
  throw failed.reason;
}

async function start(runtime: Runtime, subscription: TopicSubscription): Promise<Subscription> {
  const { pubsub, topic, options } = subscription;
  const { call } = runtime.blocks;
  try {
    const opened = runtime.find("pubsub", pubsub);
    checkScopes(opened, topic, "subscription");
    if (!opened.instance.subscribe) {
      throw new Error(`${opened.component.type} delivers nothing to a process`);
    }
    const { metadata = {}, concurrency } = options;
    const receiver = { runtime, opened, subscription };
    return await opened.instance.subscribe(
      { topic, metadata, concurrency, deliver: (message) => deliver(receiver, message, call) },
      call,
    );
  } catch (cause) {
    if (ApiError.is(cause, "ERR_CONFIGURATION")) throw cause;
    const text = `cannot subscribe to topic ${topic} of ${pubsub}: ${messageOf(cause)}`;
    throw configurationError(text, { cause });
  }
}
