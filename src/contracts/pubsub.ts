import { bindPubSub } from "../blocks/pubsub/create.ts";
import type { ComponentError } from "../errors.ts";
import { settingsOf } from "../settings.ts";
import type { Component, Fields, Options, Settings } from "./component.ts";
import type { Call, Host, Target } from "./host.ts";

/**
 * Dapr's names for what a broker can do, and two of ours: `DELAY` (delivers no sooner than asked) and `ORDERING`
 * (keeps the order of messages with the same key).
 */
export type PubSubFeature =
  | "MESSAGE_TTL"
  | "SUBSCRIBE_WILDCARDS"
  | "BULK_PUBSUB"
  | "DELAY"
  | "ORDERING";

export interface OutgoingMessage {
  /** A CloudEvent as JSON text, or what `rawPayload` sends as it is. */
  readonly data: string | Uint8Array;
  /** What the publisher wrote beside it, by Dapr's names; a broker takes of it what it knows. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Of the CloudEvent; absent for a raw payload and for an event that has none. */
  readonly id?: string | undefined;
  /** Milliseconds after which nobody is to get it. Only with `MESSAGE_TTL`. */
  readonly ttl?: number | undefined;
  /** Milliseconds that it stays invisible. Only with `DELAY`. */
  readonly delay?: number | undefined;
  /** Only with `ORDERING`. */
  readonly orderingKey?: string | undefined;
}

export interface IncomingMessage {
  /** What the broker calls it; the same each time that it is delivered again. */
  readonly id: string;
  /** The topic it was published to, which a wildcard subscription does not say. */
  readonly topic: string;
  readonly data: Uint8Array | string;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The event as JSON, where `data` is no more than its data: what a handler gets that does not ask for raw payloads, and a
   * dead-letter topic. `binaryEvent` of `contracts/cloudevents` makes it.
   */
  readonly event?: string | undefined;
  /** 1 at first. A component whose broker does not count, counts what it delivers again by itself. */
  readonly attempt: number;
  /** Milliseconds since the epoch at which the broker delivers it again, where that is not `processingTimeout` from now. */
  readonly deadline?: number | undefined;
  /** The subscription's topic, where a platform pushes and it is not `topic`: a wildcard. */
  readonly subscribed?: string | undefined;
  /** Messages of one batch with the same key are handled one after the other, none after one that is to come again. */
  readonly orderingKey?: string | undefined;
}

/**
 * What becomes of a message: it is acknowledged, or is to be delivered again, no sooner than after `delay` milliseconds, or
 * after the longest that the broker can wait. Without `delay` it is as soon as the broker does by itself. The other messages
 * of its topic do not wait for it, but those with its ordering key do.
 */
export type Outcome =
  | { readonly is: "done" }
  | { readonly is: "retry"; readonly delay?: number | undefined };

export interface SubscribeRequest {
  readonly topic: string;
  /** Of the subscription, by Dapr's names. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Deliveries at a time; absent: the component's own. */
  readonly concurrency?: number | undefined;
  /**
   * The most deliveries after the first one. With it, `attempt` MUST count what other processes had in hand when they ended,
   * as far as the broker lets it be known; without it nobody asks for more than what this process delivered.
   */
  readonly maxRetries?: number | undefined;
  /**
   * Where core publishes what cannot be handled. A broker that keeps a message only for the subscribers that it knows MUST
   * from then on keep those of this topic for the same consumer, unless somebody else subscribes to it already.
   */
  readonly deadLetterTopic?: string | undefined;
  /**
   * Never rejects. A message MUST be acknowledged only after this resolved to `done`, and MUST come again otherwise,
   * also when the process ends in between. `lost` is aborted when the broker has given the message to another; what
   * this resolves to then has no effect.
   */
  deliver(message: IncomingMessage, lost?: AbortSignal): Promise<Outcome>;
}

export interface Subscription {
  /** Takes no new message, lets those in hand end, gives back the rest. MUST be safe to call twice. */
  stop(): Promise<void>;
}

/** Messages that the platform brought with one invocation. */
export interface Batch {
  readonly messages: readonly IncomingMessage[];
  /** Tells the platform of each message, in their order; resolves to what the invocation is to return. */
  settle(outcomes: readonly Outcome[], call: Call): unknown;
}

/**
 * A broker of messages by topic. It reconnects by itself, and holds no more messages than it delivers at a time and
 * a bounded number beside them. Core has built the envelope and refused every feature that is not claimed.
 */
export interface PubSub {
  /** MUST resolve only once the broker has the message. */
  publish(topic: string, message: OutgoingMessage, call: Call): Promise<void>;

  /** One entry per message, in their order: why the broker does not have it, or undefined. */
  publishBulk?(
    topic: string,
    messages: readonly OutgoingMessage[],
    call: Call,
  ): Promise<readonly (ComponentError | undefined)[]>;

  /** The most messages in one `publishBulk`; core makes as many calls as it takes. */
  readonly maxBulkMessages?: number;

  /**
   * Milliseconds that core gives a handler. The broker MUST wait longer before it delivers a message again: a dead letter
   * is published, and the message acknowledged, after that.
   */
  readonly processingTimeout?: number | undefined;

  /** Deliveries at a time of a subscription that does not say how many, where that is one number. */
  readonly concurrency?: number | undefined;

  /** The most deliveries after the first one, where the broker gives up a message by itself then. Core refuses subscriptions with more. */
  readonly maxRetries?: number | undefined;

  /** The setting that `maxRetries` comes from, where that is another one. */
  readonly maxRetriesSetting?: string;

  /**
   * For a process that pulls. Subscribers with the same `consumerID` share the messages, others get each their own.
   * MUST resolve only once a message published from then on will be delivered, and reject when the broker cannot be had at
   * all. Every later trouble with the broker is the component's to mend. `call` lasts until the subscription is stopped.
   */
  subscribe?(request: SubscribeRequest, call: Call): Promise<Subscription>;

  /**
   * For a platform that pushes: the messages of an event, or undefined for an event that is not this component's.
   * `topics` are those that the app subscribes to, for services that do not keep a topic's name as it was written.
   */
  accept?(event: unknown, topics: readonly string[]): Batch | undefined;

  /**
   * Makes the first connection, for a process that wants to know when it starts. MUST throw "config" for what waiting
   * does not mend. Without it, or before it, the first call does the same.
   */
  init?(call: Call): Promise<void>;

  /** The platform's own client. */
  native(call: Call): unknown;

  /** Stops every subscription. MUST be safe to call twice. */
  close?(): Promise<void>;
}

/** Settings that every pub/sub component has. Core obeys the scopes; `consumerID` is filled in with the app id. */
const common = {
  consumerID: {
    type: "string",
    description: "Subscribers with the same one share the messages. Default: the app id.",
  },
  publishingScopes: {
    type: "string",
    description:
      "Topics that apps may publish to, as `app1=t1,t2;app2=`; an app that is not listed may all.",
  },
  subscriptionScopes: {
    type: "string",
    description: "Topics that apps may subscribe to, written as `publishingScopes`.",
  },
  allowedTopics: { type: "string", description: "The only topics there are, by comma." },
  protectedTopics: {
    type: "string",
    description: "Topics, by comma, only for apps whose scopes list them.",
  },
} as const satisfies Fields;

type Common = typeof common;

export interface PubSubDefinition<F extends Fields> {
  readonly type: `pubsub.${string}`;
  readonly fields: F;
  readonly runsOn: readonly Target[];
  features(settings: Settings<F>): readonly PubSubFeature[];
  /** MUST be synchronous and do no I/O: connections are made inside a call. */
  open(settings: Settings<F> & { readonly consumerID: string }, host: Host, name: string): PubSub;
}

/** Declares a pub/sub component. Mark the call `@__PURE__` and keep the fields literal, or bundlers keep it unused. */
export function pubSub<const F extends Fields>(
  definition: PubSubDefinition<F>,
): (options: Options<F & Common>) => Component<"pubsub"> {
  const { type, runsOn } = definition;
  const fields: F & Common = { ...definition.fields, ...common };
  // TypeScript cannot see that the settings of more fields hold those of fewer.
  const settings = (options: Options<F & Common>, component: string) =>
    settingsOf(fields, options, component) as unknown as Settings<F> & Settings<Common>;
  return (options) => ({
    type,
    runsOn,
    fields,
    options,
    clock: "server",
    get features() {
      return definition.features(settings(options, type));
    },
    open(host, name, appId) {
      const found = settings(options, name);
      return definition.open(
        { ...found, consumerID: found.consumerID ?? appId ?? name },
        host,
        name,
      );
    },
    bind: bindPubSub,
  });
}
