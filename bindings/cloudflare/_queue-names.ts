import type { Host } from "../../src/contracts/host.ts";
import { ComponentError } from "../../src/errors.ts";

/** The parts of a queue's binding that are used, typed so that Cloudflare's own types fit. */
export interface Queue {
  send(body: unknown, options: SendOptions): Promise<unknown>;
  sendBatch(messages: readonly QueuedMessage[]): Promise<unknown>;
}

export interface SendOptions {
  readonly contentType: "text" | "bytes" | "json";
  readonly delaySeconds?: number;
}

export interface QueuedMessage extends SendOptions {
  readonly body: unknown;
}

/** Where topics lie: the queues that a topic is sent to, and the topic that a queue belongs to. */
export interface Places {
  /** By their bindings; at least one. Throws "config" where one is not bound. */
  queuesOf(topic: string): ReadonlyMap<string, Queue>;
  /** Which of `topics` is in the queue, or undefined. Throws "config" where it could be several. */
  topicIn(queue: string, topics: readonly string[]): string | undefined;
}

/**
 * `topics` and `queues` are settings: bindings and queues by topic. A topic that they do not name has the bindings and
 * the queues of its own name; see {@link isNamedAfter}.
 */
export function placesOf(
  topics: string | undefined,
  queues: string | undefined,
  { env }: Host,
  component: string,
): Places {
  const bindings = listsOf("topics", topics);
  const sources = listsOf("queues", queues);
  const known = new Map<string, ReadonlyMap<string, Queue>>();

  return {
    queuesOf(topic) {
      const found = known.get(topic) ?? find(topic);
      known.set(topic, found);
      return found;
    },

    topicIn(queue, wanted) {
      const found = wanted.filter((topic) => isIn(queue, topic));
      if (found.length < 2) return found[0];
      throw invalid(
        `the queue ${queue} could belong to the topics ${found.join(" and ")}: say which it is by the setting queues, as in ${found[0]}=${queue}`,
      );
    },
  };

  function find(topic: string): ReadonlyMap<string, Queue> {
    const names =
      bindings.get(topic) ??
      Object.keys(env).filter((name) => isNamedAfter(topic, name) && isQueue(env[name]));
    if (names.length === 0) throw unbound(topic, bindingNameOf(topic));
    return new Map(names.map((name) => [name, queueAt(name, topic)]));
  }

  function queueAt(binding: string, topic: string): Queue {
    const queue = env[binding];
    if (isQueue(queue)) return queue;
    throw unbound(topic, binding);
  }

  function isIn(queue: string, topic: string): boolean {
    const own = sources.get(topic);
    if (own) return own.includes(queue);
    const name = bindingNameOfQueue(queue);
    const listed = bindings.get(topic);
    return listed
      ? listed.some((binding) => binding.toUpperCase() === name)
      : isNamedAfter(topic, name);
  }

  /** A setting such as `orders=ORDERS_INVENTORY,ORDERS_SHIPPING;bills=BILLS`. */
  function listsOf(setting: string, text = ""): ReadonlyMap<string, readonly string[]> {
    const lists = new Map<string, readonly string[]>();
    const used = new Set<string>();
    for (const part of text.split(";").filter((part) => part.trim() !== "")) {
      const [topic = "", list = "", ...more] = part.split("=").map((word) => word.trim());
      const names = list.split(",").map((name) => name.trim());
      if (topic === "" || more.length > 0 || names.includes("") || lists.has(topic)) {
        throw invalid(
          `the setting ${setting} is topic=NAME,NAME;topic=NAME with each topic once, and not ${JSON.stringify(text)}`,
        );
      }
      const shared = names.find((name) => used.size === used.add(name).size);
      if (shared !== undefined) {
        throw invalid(
          `the setting ${setting} names ${shared} twice: a queue holds the messages of one topic, for one subscriber`,
        );
      }
      lists.set(topic, names);
    }
    return lists;
  }

  function unbound(topic: string, binding: string): ComponentError {
    return invalid(`no queue is bound as ${binding}, where topic ${topic} goes. Add to wrangler.toml, for each subscriber of the topic:

  [[queues.producers]]
  binding = "${binding}"
  queue = "${binding.toLowerCase().replaceAll("_", "-")}"
`);
  }

  function invalid(why: string): ComponentError {
    return new ComponentError("config", `component ${component}: ${why}`);
  }
}

/** The binding, or the queue as {@link bindingNameOfQueue} writes it, of a topic alone, or of one of its subscribers: `ORDERS`, `ORDERS__SHIPPING`. */
function isNamedAfter(topic: string, name: string): boolean {
  const own = bindingNameOf(topic);
  return name === own || name.startsWith(`${own}__`);
}

/** `orders.paid` is bound as ORDERS_PAID. */
function bindingNameOf(topic: string): string {
  return topic.toUpperCase().replace(/[^A-Z0-9]+/g, "_");
}

/** The queue `orders-paid` is bound as ORDERS_PAID, and `orders--shipping` as ORDERS__SHIPPING. */
function bindingNameOfQueue(queue: string): string {
  return queue.toUpperCase().replaceAll("-", "_");
}

function isQueue(value: unknown): value is Queue {
  return typeof (value as Partial<Queue> | undefined)?.sendBatch === "function";
}
