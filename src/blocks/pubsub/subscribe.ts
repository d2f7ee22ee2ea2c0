import type { Find } from "../../blocks.ts";
import { configurationError } from "../../errors.ts";
import type { StandardSchema } from "../schema.ts";
import type { Handler, Routes, SubscribeOptions } from "./api.ts";
import type { Collector } from "./bulk.ts";
import type { Inbox } from "./inbox.ts";
import { push } from "./push.ts";
import { receive } from "./receive.ts";
import type { Topic } from "./topic.ts";

/** One of an app's `subscriptions`, made by {@link subscribe}. */
export interface TopicSubscription {
  readonly pubsub: string;
  readonly topic: string;
  /** Rules in the order in which they are tried. */
  readonly routes: Routes;
  readonly options: SubscribeOptions;
  readonly schema: StandardSchema | undefined;
  /** Its handlers hand messages on as they came, and do not ask what is in `data_base64`. */
  readonly verbatim?: boolean | undefined;
  /** Where it is declared, if not in code; an error begins with it. */
  readonly source?: string | undefined;
  /** Handles what a platform brings. Subscriptions bring it, so that an app without any has none of its code. */
  readonly receive: typeof receive;
  /** The same for a platform that is to get no error: checks at once, and then handles batch after batch. */
  readonly push: typeof push;
}

/** The most deliveries after the first one that Cloudflare Queues, the strictest of the platforms, makes. */
const MAX_RETRIES = 100;

/**
 * Has `handler`, or the handler of the rule that matches, called for every message of a topic. Messages are acknowledged
 * once it has returned; they may come more than once. Throws `ERR_CONFIGURATION` for what cannot work.
 */
export function subscribe<In, Out>(
  topic: Topic<In, Out>,
  handler: Handler<Out> | Routes<Out>,
  options?: SubscribeOptions,
): TopicSubscription;
export function subscribe<T = unknown>(
  pubsub: string,
  topic: string,
  handler: Handler<T> | Routes<T>,
  options?: SubscribeOptions,
): TopicSubscription;
export function subscribe(...parameters: readonly unknown[]): TopicSubscription {
  const [first] = parameters;
  if (typeof first !== "object" || first === null) return make(...(parameters as Named), undefined);
  const { pubsub, name, schema } = first as Topic<unknown>;
  const [, handler, options] = parameters as [unknown, Handler, SubscribeOptions?];
  return make(pubsub, name, handler, options, schema);
}

type Named = [
  pubsub: string,
  topic: string,
  handler: Handler | Routes,
  options: SubscribeOptions | undefined,
];

function make(
  pubsub: string,
  topic: string,
  handler: Handler | Routes,
  options: SubscribeOptions = {},
  schema?: StandardSchema,
): TopicSubscription {
  const what = `subscribe(${JSON.stringify(pubsub)}, ${JSON.stringify(topic)}, …)`;
  if (!isName(pubsub) || !isName(topic)) {
    throw configurationError(`${what} needs the name of a pub/sub component and a topic`);
  }
  const routes = routesOf(handler, what);
  checkOptions(topic, options, what);
  const concurrency = concurrencyOf(routes, options, what);
  return { pubsub, topic, routes, options: { ...options, concurrency }, schema, receive, push };
}

/** Throws `ERR_CONFIGURATION` for a topic that an app subscribes to twice. */
export function checkSubscriptions(
  appId: string,
  subscriptions: readonly TopicSubscription[],
): void {
  const known = new Set<string>();
  for (const { pubsub, topic } of subscriptions) {
    const place = `${pubsub}, ${topic}`;
    if (known.has(place)) {
      throw configurationError(
        `app ${appId} subscribes twice to ${place}: give one subscription rules`,
      );
    }
    known.add(place);
  }
}

/** The subscription behind its inbox, where it has one. Throws `ERR_CONFIGURATION` where the store cannot remember. */
export function guardedBy(subscription: TopicSubscription, find: Find): TopicSubscription {
  return inboxOf(subscription)?.guard(subscription, find) ?? subscription;
}

/** Throws `ERR_CONFIGURATION` for one that has to be imported. */
export function inboxOf({ topic, options }: TopicSubscription): Inbox | undefined {
  const { idempotent } = options;
  if (idempotent !== true) return idempotent;
  throw configurationError(
    `topic ${topic}: idempotent: true works in a Node process alone: idempotent: inbox("statestore") of pillion/inbox`,
  );
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function routesOf(handler: Handler | Routes, what: string): Routes {
  if (typeof handler === "function") return { rules: [], default: handler };
  const { rules = [], default: otherwise } = handler ?? {};
  if (rules.length === 0 && !otherwise) throw configurationError(`${what} has no handler`);
  for (const { match, handler } of rules) {
    if (typeof match === "function" && typeof handler === "function") continue;
    throw configurationError(`${what}: a rule is { match, handler }, two functions`);
  }
  const sorted = rules.toSorted((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
  return { rules: sorted, default: otherwise };
}

/** A handler of lists needs as many messages in hand as its lists hold. */
function concurrencyOf(
  { rules, default: otherwise }: Routes,
  { concurrency, idempotent }: SubscribeOptions,
  what: string,
): number | undefined {
  const handlers = [...rules.map(({ handler }) => handler), otherwise];
  const most = Math.max(...handlers.map((handler) => (handler as Partial<Collector>)?.atOnce ?? 0));
  if (most === 0) return concurrency;
  if (idempotent) {
    throw configurationError(
      `${what}: one transaction cannot remember a list of events: idempotent takes handlers of one message`,
    );
  }
  if (concurrency !== undefined && concurrency < most) {
    throw configurationError(
      `${what}: a list of ${most} messages is never full under a concurrency of ${concurrency}`,
    );
  }
  return concurrency ?? most;
}

function checkOptions(topic: string, options: SubscribeOptions, what: string): void {
  const { deadLetterTopic, maxRetries = 0, retryDelayMs = 0, concurrency = 1 } = options;
  if (deadLetterTopic !== undefined && (!isName(deadLetterTopic) || deadLetterTopic === topic)) {
    throw configurationError(`${what}: deadLetterTopic must be another topic`);
  }
  if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > MAX_RETRIES) {
    throw configurationError(`${what}: maxRetries must be a whole number from 0 to ${MAX_RETRIES}`);
  }
  if (!Number.isFinite(retryDelayMs) || retryDelayMs < 0) {
    throw configurationError(`${what}: retryDelayMs must be a number that is not negative`);
  }
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw configurationError(`${what}: concurrency must be a whole number above 0`);
  }
}
