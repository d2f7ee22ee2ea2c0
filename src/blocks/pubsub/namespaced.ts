import type { Component } from "../../contracts/component.ts";
import type { IncomingMessage, PubSub } from "../../contracts/pubsub.ts";
import { delegating } from "../delegating.ts";

/**
 * The same broker, on which every topic has `prefix` before its name. Events, handlers and scopes know topics without it, as
 * in Dapr.
 */
export function namespaced(component: Component<"pubsub">, prefix: string): Component<"pubsub"> {
  return {
    ...component,
    open: (host, name, appId) => prefixed(component.open(host, name, appId), prefix),
  };
}

function prefixed(broker: PubSub, prefix: string): PubSub {
  const { publishBulk, subscribe, accept } = broker;
  return delegating(broker, {
    publish: (topic, message, call) => broker.publish(prefix + topic, message, call),
    ...(publishBulk && {
      publishBulk: (topic, messages, call) =>
        publishBulk.call(broker, prefix + topic, messages, call),
    }),
    ...(subscribe && {
      subscribe(request, call) {
        const { deadLetterTopic } = request;
        const own = {
          ...request,
          topic: prefix + request.topic,
          ...(deadLetterTopic !== undefined && { deadLetterTopic: prefix + deadLetterTopic }),
          deliver: (message: IncomingMessage, lost?: AbortSignal) =>
            request.deliver(named(message), lost),
        };
        return subscribe.call(broker, own, call);
      },
    }),
    ...(accept && {
      accept(event, topics) {
        const batch = accept.call(
          broker,
          event,
          topics.map((topic) => prefix + topic),
        );
        if (!batch) return undefined;
        const messages = batch.messages.map(named);
        return { messages, settle: (outcomes, call) => batch.settle(outcomes, call) };
      },
    }),
  });

  /** A message by the names that the app has for topics. */
  function named(message: IncomingMessage): IncomingMessage {
    const { topic, subscribed } = message;
    const own = subscribed === undefined ? {} : { subscribed: without(subscribed) };
    return { ...message, topic: without(topic), ...own };
  }

  function without(topic: string): string {
    return topic.startsWith(prefix) ? topic.slice(prefix.length) : topic;
  }
}
