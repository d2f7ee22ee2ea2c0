import type { Blocks } from "../../blocks.ts";
import type { Clock } from "../../contracts/host.ts";
import type { Inbox } from "./inbox.ts";

/** A CloudEvents 1.0 event as Dapr writes it. Attributes of other publishers are there by their names. */
export interface CloudEvent<T = unknown> {
  readonly id: string;
  readonly source: string;
  readonly specversion: string;
  readonly type: string;
  readonly datacontenttype?: string | undefined;
  readonly topic?: string | undefined;
  readonly pubsubname?: string | undefined;
  readonly subject?: string | undefined;
  /** RFC 3339. */
  readonly time?: string | undefined;
  /** RFC 3339; nobody gets it after that. */
  readonly expiration?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /** JSON's value, text, or the bytes of `data_base64`. */
  readonly data: T;
  readonly [attribute: string]: unknown;
}

/** What a message is beside its event. */
export interface Delivery {
  /** The broker's name for the message. */
  readonly id: string;
  /** 1 at first, as far as the broker counts. */
  readonly attempt: number;
  /** What the broker carried beside the event. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The message as it came, for whoever hands it on. */
  readonly data: Uint8Array | string;
  /** Of its order, where it has one: the next of that order comes when this one is done. */
  readonly orderingKey?: string | undefined;
  /** The same for all messages that are handed over together. */
  readonly source: DeliverySource;
}

/** Where messages come from: a subscription of a process, or one invocation of a platform. */
export interface DeliverySource {
  /** A platform has brought all that there is. */
  readonly pushed: boolean;
  readonly clock: Clock;
}

/** `SUCCESS` acknowledges, `RETRY` asks for it again, `DROP` gives it to the dead-letter topic, if there is one. */
export type Status = "SUCCESS" | "RETRY" | "DROP";

/** Returning nothing is `SUCCESS`, throwing is `RETRY`. */
export type Handler<T = unknown> = (
  event: CloudEvent<T>,
  blocks: Blocks,
  delivery: Delivery,
) => HandlerResult | Promise<HandlerResult>;

// biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement returns void.
export type HandlerResult = void | undefined | Status | { readonly status?: Status | undefined };

/** The first rule that matches, by `priority` and then in their order, handles an event. */
export interface Rule<T = unknown> {
  readonly match: Match;
  readonly handler: Handler<T>;
  /** Lower first; default 0. */
  readonly priority?: number | undefined;
}

/** Throwing fails the delivery as a handler does. */
export type Match = (event: CloudEvent) => boolean;

export interface Routes<T = unknown> {
  readonly rules: readonly Rule<T>[];
  /** Handles what no rule matches, which else is acknowledged and dropped. */
  readonly default?: Handler<T> | undefined;
}

export interface SubscribeOptions {
  /** Gets what could not be handled, as it came. Without `maxRetries` that is what failed once. */
  readonly deadLetterTopic?: string | undefined;
  /** Deliveries after the first one, whoever makes them: 0 to 100. Then it is dropped, or goes to the dead-letter topic. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds before the first delivery again, doubled for each further one up to an hour; default 1000. */
  readonly retryDelayMs?: number | undefined;
  /** The messages are no CloudEvents: the handler gets the bytes as the data of one made for it. */
  readonly rawPayload?: boolean | undefined;
  /** Handlers at a time in a process; default: the component's. */
  readonly concurrency?: number | undefined;
  /**
   * Runs a handler once per event id: `inbox("statestore")` of `pillion/inbox`. `true` is `inbox()` in a Node process;
   * what is bundled has to import it.
   */
  readonly idempotent?: Inbox | true | undefined;
  /** For the component, by Dapr's names. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface PublishOptions {
  /**
   * Default: `text/plain` for text, `application/octet-stream` for bytes, else `application/json`.
   * `application/cloudevents+json` says that the data is an event already, which is passed on.
   */
  readonly contentType?: string | undefined;
  /** Send text or bytes as they are, with no event around them. */
  readonly rawPayload?: boolean | undefined;
  /** Seconds after which nobody is to get it; whole, above 0. */
  readonly ttlInSeconds?: number | undefined;
  /** Seconds that it stays invisible. Refused by components without `DELAY`. */
  readonly delayInSeconds?: number | undefined;
  /** Messages with the same one stay in order. Refused by components without `ORDERING`. */
  readonly orderingKey?: string | undefined;
  /** Attributes in the place of those that are made. */
  readonly cloudEvent?: EventAttributes | undefined;
  /** For the component, by Dapr's names. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface EventAttributes {
  readonly id?: string | undefined;
  readonly source?: string | undefined;
  readonly type?: string | undefined;
  readonly subject?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

export interface BulkEntry<T = unknown> extends PublishOptions {
  /** Names it in an error; default: its place in the list. */
  readonly entryId?: string | undefined;
  readonly data: T;
}

/** Dapr's pub/sub block on one component. Every method throws `ApiError` and, where the invocation was aborted, its reason. */
export interface Publisher {
  /** Resolves once the broker has the message. */
  publish(topic: string, data: unknown, options?: PublishOptions): Promise<void>;
  /** Not atomic: throws one error whose `failures` name, by entry id, what was not published, after trying all. */
  publishBulk(topic: string, entries: readonly BulkEntry[]): Promise<void>;
  /** The platform's own client. */
  native<T = unknown>(): T;
}

/** {@link Publisher} of one topic with a schema, which data has to fit before it is published. */
export interface TopicPublisher<In> {
  publish(data: In, options?: PublishOptions): Promise<void>;
  publishBulk(entries: readonly BulkEntry<In>[]): Promise<void>;
}
