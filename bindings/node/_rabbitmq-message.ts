import type { ConsumeMessage } from "amqplib";
import type { IncomingMessage } from "../../src/contracts/pubsub.ts";
import { carriedBy, countOf } from "./_rabbitmq-copy.ts";
import type { QueuePlan } from "./_rabbitmq-topology.ts";

/** Deliveries of messages, where the server does not count them. */
export interface Counts {
  attempt(message: ConsumeMessage): number;
  failed(message: ConsumeMessage, attempt: number): void;
}

/** Messages that failed here and may come again elsewhere: the oldest are forgotten. */
const MOST = 10_000;

/**
 * Queues of type quorum count. Of others the server says only that it is not the first time: what failed in this process
 * is known by its bytes, and of messages with the same bytes it does not matter which is which.
 */
export function createCounts(queue: QueuePlan): Counts {
  const failures = new Map<string, number[]>();
  return {
    attempt(message) {
      const next = countOf(message, queue) + 1;
      if (queue.counts || !message.fields.redelivered) return next;
      const key = keyOf(message);
      const known = failures.get(key);
      const last = known?.shift();
      if (known?.length === 0) failures.delete(key);
      return last === undefined ? next : last + 1;
    },
    failed(message, attempt) {
      if (queue.counts) return;
      const key = keyOf(message);
      const known = failures.get(key);
      if (known) known.push(attempt);
      else failures.set(key, [attempt]);
      for (const oldest of failures.keys()) {
        if (failures.size <= MOST) break;
        failures.delete(oldest);
      }
    },
  };

  function keyOf(message: ConsumeMessage): string {
    return `${carriedBy(message, queue)} ${nameOf(message)}`;
  }
}

/** The publisher's name for it, or one that the same bytes always have. */
function nameOf({ properties, content }: ConsumeMessage): string {
  if (properties.messageId) return String(properties.messageId);
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha1").update(content).digest("hex");
}

export function toIncoming(
  message: ConsumeMessage,
  topic: string,
  attempt: number,
  withProperties: boolean,
): IncomingMessage {
  return {
    id: nameOf(message),
    topic,
    data: message.content,
    metadata: withProperties ? propertiesOf(message) : {},
    attempt,
  };
}

/** Dapr's names for a message's properties and headers. */
function propertiesOf({ properties }: ConsumeMessage): Record<string, string> {
  const { messageId, correlationId, type, contentType, headers = {} } = properties;
  const named = {
    messageid: messageId,
    correlationid: correlationId,
    type,
    contenttype: contentType,
    ...headers,
  };
  const entries = Object.entries(named).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(
    entries.map(([name, value]) => [
      `metadata.${name}`,
      typeof value === "object" ? JSON.stringify(value) : String(value),
    ]),
  );
}
