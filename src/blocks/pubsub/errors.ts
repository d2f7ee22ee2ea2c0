import { ApiError, type ApiErrorOptions, ComponentError, messageOf } from "../../errors.ts";

/** Dapr's codes of the pub/sub block, with their HTTP status. */
const codes = {
  ERR_PUBSUB_NOT_CONFIGURED: 400,
  ERR_PUBSUB_EMPTY: 404,
  ERR_TOPIC_NAME_EMPTY: 404,
  ERR_PUBSUB_REQUEST_METADATA: 400,
  ERR_PUBSUB_EVENTS_SER: 400,
  ERR_PUBSUB_CLOUD_EVENTS_SER: 500,
  ERR_PUBSUB_FORBIDDEN: 403,
  ERR_PUBSUB_PUBLISH_MESSAGE: 500,
} as const;

export type PubSubErrorCode = keyof typeof codes;

export function pubsubError(
  code: PubSubErrorCode,
  message: string,
  options?: ApiErrorOptions,
): ApiError {
  return new ApiError(code, message, { status: codes[code], ...options });
}

/** Dapr's sentence for a message that was not published. */
export function notPublished(pubsub: string, topic: string, why: string): string {
  return `error when publishing to topic ${topic} in pubsub ${pubsub}: ${why}`;
}

/** Says in Dapr's words that a message was not published. */
export function toPubSubError(pubsub: string, topic: string, cause: unknown): ApiError {
  if (ApiError.is(cause)) return cause;
  const kind = ComponentError.is(cause) ? cause.kind : undefined;
  return pubsubError("ERR_PUBSUB_PUBLISH_MESSAGE", notPublished(pubsub, topic, messageOf(cause)), {
    cause,
    kind,
  });
}
