import { configurationError } from "../../errors.ts";
import type { OpenedPubSub } from "./handle.ts";
import type { TopicSubscription } from "./subscribe.ts";

/**
 * Throws `ERR_CONFIGURATION` for a subscription with more retries than its broker makes: the broker would give a message up
 * before. With a dead-letter topic it needs one to spare, for a dead letter that could not be published at first.
 */
export function checkRetries(
  { instance }: OpenedPubSub,
  { pubsub, topic, options }: TopicSubscription,
): void {
  const { maxRetries = 0, deadLetterTopic } = options;
  const { maxRetries: most, maxRetriesSetting: setting } = instance;
  if (most === undefined || maxRetries + (deadLetterTopic ? 1 : 0) <= most) return;
  const spare = deadLetterTopic ? " and one more for the dead-letter topic" : "";
  const by = setting ? `, by its setting ${setting}` : "";
  throw configurationError(
    `cannot subscribe to topic ${topic} of ${pubsub} with maxRetries ${maxRetries}${spare}: the component's own maxRetries is ${most}${by}, after which the broker gives a message up. Raise it there and in what it describes`,
  );
}
