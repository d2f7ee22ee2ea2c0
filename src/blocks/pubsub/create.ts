import type { Call } from "../../contracts/host.ts";
import { native } from "../../opened.ts";
import type { Publisher, TopicPublisher } from "./api.ts";
import type { OpenedPubSub } from "./handle.ts";
import { publish, publishBulk } from "./publish.ts";
import type { Topic } from "./topic.ts";

/** The pub/sub block on one component, or on a topic of it, for one invocation. */
export function bindPubSub(
  opened: OpenedPubSub,
  call: Call,
  target: string | Topic<unknown>,
): Publisher | TopicPublisher<unknown> {
  const publisher: Publisher = {
    publish: (topic, data, options) => publish(opened, call, topic, data, options),
    publishBulk: (topic, entries) => publishBulk(opened, call, topic, entries),
    native: <T>() => native<T>(opened, call),
  };
  return typeof target === "string" ? publisher : target.bind(publisher);
}
