import type { ConsumeMessage, Options } from "amqplib";
import type { QueuePlan } from "./_rabbitmq-topology.ts";

/**
 * A queue of type quorum gives up a message that was delivered more often than its limit, which is 20 in RabbitMQ 4, and a
 * policy's to say. Counted is every delivery that had no answer: those of failures, and all that a process had in hand when
 * it died. So a message that was counted so often is put into its queue anew, with what it was counted before.
 */
const MOST_COUNTED = 5;
/** One of type classic says only that a message was delivered before: it is put there anew as long as that means once. */
const MOST_TOLD = 1;

const COUNTED = "x-delivery-count";
const BEFORE = "x-pillion-delivered";

/** What a copy says of those before it. */
interface Before {
  /** Its queue: what goes to another begins anew there. */
  readonly queue: string;
  readonly count: number;
  /** When its time to live is over, in milliseconds since the epoch: counted from the first copy, or it would never be. */
  readonly until?: number | undefined;
}

/** Deliveries before this one, those of the copies before it too, as far as the queue tells. */
export function countOf(message: ConsumeMessage, queue: QueuePlan): number {
  return countedOf(message, queue) + carriedBy(message, queue);
}

/** Deliveries of those that this one is a copy of. */
export function carriedBy(message: ConsumeMessage, { name }: QueuePlan): number {
  return beforeOf(message, name)?.count ?? 0;
}

function beforeOf({ properties }: ConsumeMessage, queue: string): Before | undefined {
  const before = properties.headers?.[BEFORE] as Before | undefined;
  return before?.queue === queue ? before : undefined;
}

/** Whether the queue comes near to giving it up or, where deliveries are bounded, to no longer knowing how many they were. */
export function isWorn(message: ConsumeMessage, queue: QueuePlan, bounded: boolean): boolean {
  if (queue.counts) return countedOf(message, queue) >= MOST_COUNTED;
  return bounded && countedOf(message, queue) >= MOST_TOLD;
}

/** Whoever published it may have written the server's header, which is the server's own only on what comes again. */
function countedOf({ fields, properties }: ConsumeMessage, { counts }: QueuePlan): number {
  if (!fields.redelivered) return 0;
  return counts ? Number(properties.headers?.[COUNTED] ?? 0) : MOST_TOLD;
}

/** The properties of a copy of a message that was delivered so often. */
export function copied(
  message: ConsumeMessage,
  queue: string,
  count: number,
  now: number,
): Options.Publish {
  const { headers, expiration, userId: _, clusterId: __, ...kept } = message.properties;
  // CC would send it to other queues, once more; a user must be that of the connection.
  const { [COUNTED]: ___, CC: ____, ...own } = headers ?? {};
  const ends = expiration === undefined ? undefined : now + Number(expiration);
  const until = beforeOf(message, queue)?.until ?? ends;
  const before: Before = { queue, count, ...(until && { until }) };
  return {
    ...kept,
    ...(until && { expiration: String(Math.max(until - now, 0)) }),
    headers: { ...own, [BEFORE]: before },
  };
}
