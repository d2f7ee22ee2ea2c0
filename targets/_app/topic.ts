import type { Rule } from "../../src/blocks/pubsub/api.ts";
import { subscribe, type TopicSubscription } from "../../src/blocks/pubsub/subscribe.ts";
import { configurationError, messageOf } from "../../src/errors.ts";
import { handlerAt, isRaw, type Way } from "./deliver.ts";
import type { DeclaredSubscription, PathSubscription } from "./routes.ts";

/** A subscription whose handlers bring events to an app's paths. Throws `ERR_CONFIGURATION` for what cannot work. */
export function toTopic(way: Way, subscription: PathSubscription): TopicSubscription {
  const { pubsub, topic, rules, deadLetterTopic, metadata, bulk } = subscription;
  const routed: Rule[] = rules.map(({ matches = () => true, path }) => ({
    match: matches,
    handler: handlerAt(way, subscription, path),
  }));
  const made = subscribe(
    pubsub,
    topic,
    { rules: routed },
    {
      deadLetterTopic,
      metadata,
      rawPayload: isRaw(subscription),
      // As many as one request to the app may hold have to be in hand at a time.
      concurrency: bulk?.maxMessages ?? way.concurrency,
    },
  );
  // As with Dapr, an app judges for itself what it gets.
  return { ...made, verbatim: true };
}

/** The same, made of one that stands in a resource, which an error names. */
export function toDeclaredTopic(way: Way, declared: DeclaredSubscription): TopicSubscription {
  const { source } = declared;
  try {
    return { ...toTopic(way, declared), source };
  } catch (cause) {
    throw configurationError(`${source}: ${messageOf(cause)}`, { cause });
  }
}
