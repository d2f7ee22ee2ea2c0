import { checkPushed } from "../../src/blocks/pubsub/push.ts";
import type { TopicSubscription } from "../../src/blocks/pubsub/subscribe.ts";
import { configurationError } from "../../src/errors.ts";
import type { Runtime } from "../../src/runtime.ts";
import { describeEvent, headerReader } from "./events.ts";
import { Invocation, type LambdaContext } from "./invocation.ts";

/** Throws `ERR_CONFIGURATION` for subscriptions that cannot be, and for any of a handler that streams. */
export function checkConsumer(
  runtime: Runtime,
  subscriptions: readonly TopicSubscription[],
  stream: boolean | undefined,
): void {
  checkPushed(runtime, subscriptions);
  if (stream) {
    throw configurationError(
      `app ${runtime.options.id} has subscriptions, and a handler that streams answers only HTTP: export a second handler, serve(app), for them`,
    );
  }
}

/** Delivers the messages of an event; resolves to what Lambda is to be told, and rejects for an event without any. */
export async function consume(
  runtime: Runtime,
  subscriptions: readonly TopicSubscription[],
  event: unknown,
  context: LambdaContext,
): Promise<unknown> {
  const invocation = new Invocation(context, headerReader(event), runtime.onEvent);
  try {
    // Subscriptions bring the code that delivers: an app without any has none of it.
    const received = await subscriptions[0]?.receive(runtime, subscriptions, event, invocation);
    if (received) return received.result;
  } finally {
    await invocation.end();
  }
  const topics = subscriptions.map(({ pubsub, topic }) => `${topic} of ${pubsub}`);
  throw configurationError(
    `serve(app) was given ${describeEvent(event)}, which is neither HTTP nor for one of its subscriptions (${topics.join(", ")}): see which queue or rule it comes from`,
  );
}
