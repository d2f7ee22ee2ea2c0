import { pubsubError } from "./errors.ts";
import type { OpenedPubSub } from "./handle.ts";
import type { TopicSubscription } from "./subscribe.ts";

/** Throws `ERR_PUBSUB_FORBIDDEN` for a topic that the component's scopes keep from the app. */
export function checkScopes(
  { name, appId, component: { options } }: OpenedPubSub,
  topic: string,
  use: "publishing" | "subscription",
): void {
  const setting = (field: string) => options[field] as string | undefined;
  const allowed = listOf(setting("allowedTopics"));
  const scoped = scopeOf(setting(`${use}Scopes`), appId);
  const isProtected = listOf(setting("protectedTopics"))?.includes(topic);
  if ((allowed?.includes(topic) ?? true) && (scoped ? scoped.includes(topic) : !isProtected))
    return;
  throw pubsubError(
    "ERR_PUBSUB_FORBIDDEN",
    `topic ${topic} is not allowed for app id ${appId}: see the scopes of component ${name}`,
  );
}

/** Throws `ERR_PUBSUB_FORBIDDEN` unless the app may read the topic and bury in its dead-letter topic. */
export function checkSubscription(
  opened: OpenedPubSub,
  { topic, options: { deadLetterTopic } }: TopicSubscription,
): void {
  checkScopes(opened, topic, "subscription");
  if (deadLetterTopic !== undefined) checkScopes(opened, deadLetterTopic, "publishing");
}

/** The topics that the scopes list for an app, or undefined where they do not name it. */
function scopeOf(scopes: string | undefined, appId: string): string[] | undefined {
  for (const scope of scopes?.split(";") ?? []) {
    const [app = "", topics = ""] = scope.split("=");
    if (app.trim() === appId) return listOf(topics) ?? [];
  }
  return undefined;
}

/** Undefined where there is nothing in the list. */
function listOf(text: string | undefined): string[] | undefined {
  const items = text?.split(",").map((item) => item.trim());
  const named = items?.filter((item) => item !== "");
  return named?.length ? named : undefined;
}
