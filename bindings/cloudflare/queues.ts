import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import {
  type Batch,
  type IncomingMessage,
  type Outcome,
  type OutgoingMessage,
  type PubSub,
  pubSub,
} from "../../src/contracts/pubsub.ts";
import { ComponentError, messageOf } from "../../src/errors.ts";
import { contentOf, sizeOver, toQueued } from "./_queue-message.ts";
import { placesOf, type Queue, type QueuedMessage } from "./_queue-names.ts";

const fields = {
  topics: {
    type: "string",
    description:
      "Worker bindings of the queues that a topic is sent to, one for each of its subscribers, as `orders=ORDERS_INVENTORY,ORDERS_SHIPPING;bills=BILLS`. A topic that is not named goes to the binding of its own name, `ORDERS_PAID` for `orders.paid`, and to all that begin with it and `__`: `ORDERS_PAID__SHIPPING`.",
  },
  queues: {
    type: "string",
    description:
      "Queues that a topic is consumed from, as `orders=shop-orders-7`. A topic that is not named is consumed from the queues that are called as its bindings are: `orders-shipping` for `ORDERS_SHIPPING`.",
  },
  maxRetries: {
    type: "number",
    default: 3,
    description:
      "`max_retries` of the queues' consumers, as wrangler.toml says it; 3 is Cloudflare's own. A subscription with more is refused: the queue would give its messages up before.",
  },
  processingTimeout: {
    type: "duration",
    default: "14m",
    description:
      "Time that a handler has. A batch is acknowledged when the last of its handlers has ended; Cloudflare gives it 15 minutes.",
  },
} as const;

/** Publish and subscribe on Cloudflare Queues, a queue for each subscriber of a topic. */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.cloudflare.queues",
  runsOn: ["workers"],
  fields,
  features: () => ["BULK_PUBSUB", "DELAY"],
  open: queueBroker,
});

// Cloudflare's limits, from developers.cloudflare.com/queues/platform/limits: a kB is 1000 bytes, and each message
// takes about 100 of them for itself. The local runtime is laxer.
const OVERHEAD = 100;
/** 128 kB less that, written out: bundlers keep a difference that nobody uses. */
const MAX_MESSAGE = 127_900;
const MAX_BATCH = 256_000;
const MAX_MESSAGES = 100;
const MAX_DELAY_SECONDS = 86_400;
const MAX_RETRIES = 100;
const MAX_TIMEOUT_MS = 870_000;

/** What Cloudflare hands to `queue()`, typed so that its own types fit. */
interface MessageBatch {
  readonly queue: string;
  readonly messages: readonly QueueMessage[];
}

interface QueueMessage {
  readonly id: string;
  readonly timestamp: Date;
  readonly body: unknown;
  readonly attempts: number;
  ack(): void;
  retry(options?: { readonly delaySeconds?: number }): void;
}

function queueBroker(settings: Settings<typeof fields>, host: Host, name: string): PubSub {
  const { maxRetries, processingTimeout } = settings;
  checkNumbers();
  const places = placesOf(settings.topics, settings.queues, host, name);

  return {
    maxBulkMessages: MAX_MESSAGES,
    maxRetries,
    processingTimeout,

    async publish(topic, message) {
      const queues = places.queuesOf(topic);
      const { body, ...options } = checked(message);
      const failed = await toAll(queues, (queue) => queue.send(body, options));
      if (failed) throw failed;
    },

    async publishBulk(topic, messages) {
      const queues = places.queuesOf(topic);
      const failures: (ComponentError | undefined)[] = new Array(messages.length);
      const parts: Part[] = [];
      for (const [index, message] of messages.entries()) {
        try {
          addTo(parts, index, checked(message));
        } catch (error) {
          if (!ComponentError.is(error)) throw error;
          failures[index] = error;
        }
      }
      for (const { places, messages } of parts) {
        const failed = await toAll(queues, (queue) => queue.sendBatch(messages));
        for (const place of places) failures[place] = failed;
      }
      return failures;
    },

    accept(event, topics) {
      if (!isBatch(event)) return undefined;
      const topic = places.topicIn(event.queue, topics);
      if (topic === undefined) return undefined;
      return batchOf(event, topic, host.clock.now() + processingTimeout);
    },

    native: () => (topic: string) => places.queuesOf(topic),
  };

  /** Sends to every queue of a topic, also past one that fails; the failure is of the whole, so that it is done again. */
  async function toAll(
    queues: ReadonlyMap<string, Queue>,
    send: (queue: Queue) => Promise<unknown>,
  ): Promise<ComponentError | undefined> {
    const failed: string[] = [];
    const sent: Promise<unknown>[] = [];
    for (const [binding, queue] of queues) {
      const lost = (error: unknown) => void failed.push(`${binding}: ${messageOf(error)}`);
      sent.push(send(queue).catch(lost));
    }
    // All have begun, and none rejects.
    for (const one of sent) await one;
    if (failed.length === 0) return undefined;
    const taken = queues.size - failed.length;
    const rest = taken > 0 ? ` (${taken} of ${queues.size} took it and will get it again)` : "";
    return new ComponentError(
      "unavailable",
      `component ${name}: the queue did not take it: ${failed.join("; ")}${rest}`,
    );
  }

  function checked(message: OutgoingMessage): QueuedMessage {
    const queued = toQueued(message);
    const { delaySeconds = 0 } = queued;
    const size = sizeOver(MAX_MESSAGE, queued);
    if (size > MAX_MESSAGE) {
      throw invalid(`takes ${MAX_MESSAGE} bytes in a message, and this one has ${size}`);
    }
    if (delaySeconds > MAX_DELAY_SECONDS) {
      throw invalid(`holds a message back for ${MAX_DELAY_SECONDS} s, and not for ${delaySeconds}`);
    }
    return queued;
  }

  function invalid(why: string): ComponentError {
    return new ComponentError("invalid", `component ${name}: Cloudflare Queues ${why}`);
  }

  function checkNumbers(): void {
    if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > MAX_RETRIES) {
      throw new ComponentError(
        "config",
        `component ${name}: maxRetries must be a whole number from 0 to ${MAX_RETRIES}, as max_retries in wrangler.toml is`,
      );
    }
    if (processingTimeout <= 0 || processingTimeout > MAX_TIMEOUT_MS) {
      throw new ComponentError(
        "config",
        `component ${name}: processingTimeout must be above 0 and at most ${MAX_TIMEOUT_MS} ms: Cloudflare ends a batch after 15 minutes`,
      );
    }
  }
}

/** Messages that go in one call, and their places in the whole. */
interface Part {
  readonly places: number[];
  readonly messages: QueuedMessage[];
  size: number;
}

function addTo(parts: Part[], place: number, message: QueuedMessage): void {
  const size = sizeOver(0, message) + OVERHEAD;
  const last = parts.at(-1);
  if (last && last.size + size <= MAX_BATCH) {
    last.places.push(place);
    last.messages.push(message);
    last.size += size;
  } else parts.push({ places: [place], messages: [message], size });
}

function isBatch(event: unknown): event is MessageBatch {
  const { queue, messages } = (event ?? {}) as Partial<MessageBatch>;
  return typeof queue === "string" && Array.isArray(messages);
}

function batchOf({ queue, messages }: MessageBatch, topic: string, deadline: number): Batch {
  const readable: QueueMessage[] = [];
  const incoming: IncomingMessage[] = [];
  for (const message of messages) {
    const { id, attempts: attempt, timestamp, body } = message;
    const content = contentOf(body);
    // Nothing could deliver it, and only the queue can keep it as it is: at last, in its own dead-letter queue.
    if (!content) {
      message.retry();
      continue;
    }
    const metadata = { ...content.metadata, queue, timestamp: timestamp.toISOString() };
    readable.push(message);
    incoming.push({ id, topic, data: content.data, metadata, attempt, deadline });
  }
  return {
    messages: incoming,
    settle(outcomes) {
      for (const [index, message] of readable.entries()) settle(message, outcomes[index]);
    },
  };
}

function settle(message: QueueMessage, outcome: Outcome | undefined): void {
  if (outcome?.is === "done") message.ack();
  else message.retry(waitOf(outcome?.delay));
}

/** Without one it is the `retry_delay` of the queue's consumer. */
function waitOf(delay: number | undefined): { readonly delaySeconds?: number } {
  if (delay === undefined) return {};
  return { delaySeconds: Math.min(Math.ceil(delay / 1000), MAX_DELAY_SECONDS) };
}
