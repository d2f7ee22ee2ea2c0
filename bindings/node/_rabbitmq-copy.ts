import type { ConsumeMessage, Options } from "amqplib";

/**
 * A queue of type quorum gives up a message that was delivered more often than its limit, which is 20 in RabbitMQ 4, and a
 * policy's to say. Counted is every delivery that had no answer: those of failures, and all that a process had in hand when
 * it died. So a message that was counted so often is put into its queue anew, with what it was counted before.
 */
const MOST_COUNTED = 5;

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

/** Deliveries before this one, those of the copies before it too. */
export function countOf(message: ConsumeMessage, queue: string): number {
  return countedOf(message) + (beforeOf(message, queue)?.count ?? 0);
}

function beforeOf({ properties }: ConsumeMessage, queue: string): Before | undefined {
  const before = properties.headers?.[BEFORE] as Before | undefined;
  return before?.queue === queue ? before : undefined;
}

/** Whether the queue comes near to giving it up. */
export function isWorn(message: ConsumeMessage): boolean {
  return countedOf(message) >= MOST_COUNTED;
}

/** Whoever published it may have written the server's header, which is the server's own only on what comes again. */
function countedOf({ fields, properties }: ConsumeMessage): number {
  return fields.redelivered ? Number(properties.headers?.[COUNTED] ?? 0) : 0;
}

/** The properties of a copy that begins with a count of 0. */
export function copied(message: ConsumeMessage, queue: string, now: number): Options.Publish {
  const { headers, expiration, userId: _, clusterId: __, ...kept } = message.properties;
  // CC would send it to other queues, once more; a user must be that of the connection.
  const { [COUNTED]: ___, CC: ____, ...own } = headers ?? {};
  const ends = expiration === undefined ? undefined : now + Number(expiration);
  const until = beforeOf(message, queue)?.until ?? ends;
  const before: Before = { queue, count: countOf(message, queue), ...(until && { until }) };
  return {
    ...kept,
    ...(until && { expiration: String(Math.max(until - now, 0)) }),
    headers: { ...own, [BEFORE]: before },
  };
}
