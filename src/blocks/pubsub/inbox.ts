import { type Blocks, BoundBlocks, type Find } from "../../blocks.ts";
import { configurationError } from "../../errors.ts";
import { checkCarrier } from "../state/carry.ts";
import type { OpenedState } from "../state/handle.ts";
import type { CloudEvent, Delivery, Handler } from "./api.ts";
import { isHandled } from "./deliver.ts";
import { memoryOf } from "./memory.ts";
import type { TopicSubscription } from "./subscribe.ts";

export interface InboxOptions {
  /** Whole seconds for which an event is remembered: longer than it may take to come again. 0 is for good; default a week. */
  readonly ttlInSeconds?: number | undefined;
}

/** For the option `idempotent` of a subscription, made by {@link inbox}. */
export interface Inbox {
  /** The subscription with its handlers guarded. Throws `ERR_CONFIGURATION` where the store cannot remember. */
  guard(subscription: TopicSubscription, find: Find): TopicSubscription;
}

const WEEK = 604_800;

/**
 * Handles each event id once, per app and topic, as far as a state store remembers. The handler's first transaction on that
 * store remembers the event in the same commit, so that what it writes happens exactly once, whatever is killed and
 * whoever gets the event at the same time. A handler without a transaction is remembered once it has returned: when
 * the process ends before that, it runs again.
 */
export function inbox(store = "statestore", options: InboxOptions = {}): Inbox {
  const { ttlInSeconds = WEEK } = options;
  if (!Number.isInteger(ttlInSeconds) || ttlInSeconds < 0) {
    throw configurationError(
      `inbox(${JSON.stringify(store)}): ttlInSeconds must be a whole number that is not negative`,
    );
  }
  return {
    guard(subscription, find) {
      const { pubsub, topic, routes } = subscription;
      check(find("state", store), ttlInSeconds, `idempotent of topic ${topic} of ${pubsub}`);
      const guarded = (handler: Handler) => once(handler, subscription, store, ttlInSeconds);
      const rules = routes.rules.map((rule) => ({ ...rule, handler: guarded(rule.handler) }));
      const otherwise = routes.default && guarded(routes.default);
      return { ...subscription, routes: { rules, default: otherwise } };
    },
  };
}

function check(opened: OpenedState, ttl: number, what: string): void {
  checkCarrier(opened, what);
  if (ttl === 0 || opened.features.has("TTL")) return;
  const { name } = opened;
  throw configurationError(
    `${what}: state store ${name} lacks TTL: inbox("${name}", { ttlInSeconds: 0 }) remembers for good`,
  );
}

function once(handler: Handler, subscription: TopicSubscription, store: string, ttl: number) {
  const guarded: Handler = async (event, blocks, delivery) => {
    const { call, find } = blocks as Blocks & BoundBlocks;
    const opened = find("state", store);
    const memory = memoryOf(opened, keyOf(opened, subscription, event, delivery), ttl);
    if (await memory.isKnown(call)) return repeated(opened, subscription, delivery);
    const own = new BoundBlocks(call, through(find, store, memory.opened));
    try {
      const result = await handler(event, own, delivery);
      if (!memory.isLost() && isHandled(result)) await memory.write(call);
      if (!memory.isLost()) return result;
    } catch (error) {
      if (!memory.isLost()) throw error;
    }
    return repeated(opened, subscription, delivery);
  };
  return guarded;
}

/** JSON keeps its parts apart, and has an escape for what no key may hold. `||` keeps it out of the app's own keys. */
function keyOf(
  { prefix, appId }: OpenedState,
  { pubsub, topic, options }: TopicSubscription,
  { id, source }: CloudEvent,
  delivery: Delivery,
): string {
  // An event made around a raw payload has a new id each time.
  const named = typeof id === "string" && id !== "" && !options.rawPayload;
  // An id is its source's own: another's event may have the same.
  const known = named ? [source, id] : [delivery.id];
  return `${prefix}inbox||${appId}||${JSON.stringify([pubsub, topic, ...known])}`;
}

function through(find: Find, store: string, carrier: OpenedState): Find {
  const own = (block: "state", name: string) =>
    block === "state" && name === store ? carrier : find(block, name);
  return own as Find;
}

function repeated(
  { onEvent }: OpenedState,
  { pubsub: component, topic }: TopicSubscription,
  { attempt }: Delivery,
): void {
  onEvent?.({ type: "pubsub.repeated", component, topic, attempt });
}
