import type { Channel } from "amqplib";
import { isTruthy } from "../../src/settings.ts";
import { config } from "./_config.ts";
import type { Limits, RabbitPlan } from "./_rabbitmq-settings.ts";

/** A queue as daprd declares it, and what leads to it. */
export interface QueuePlan {
  readonly topic: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly routingKeys: readonly string[];
  readonly limits: Limits;
  /** The server counts deliveries, and gives up what has too many: type quorum. */
  readonly counts: boolean;
  /** Only one consumer at a time gets messages. */
  readonly single: boolean;
}

const PRIORITIES = 255;

/** Throws "config" for a subscription's metadata that cannot be. */
export function queueOf(
  plan: RabbitPlan,
  topic: string,
  metadata: Readonly<Record<string, string>>,
  component: string,
): QueuePlan {
  const own = readerOf(metadata);
  const name = own("queueName") || `${plan.consumerID}-${topic}`;
  const type = own("queueType") || "classic";
  if (type !== "classic" && type !== "quorum") {
    throw config(
      component,
      `queueType ${JSON.stringify(type)} of topic ${topic} must be classic or quorum`,
    );
  }
  const priority = number("maxPriority");
  const single = isTruthy(own("singleActiveConsumer"));
  const limits = {
    maxLen: number("maxLen") ?? plan.limits.maxLen,
    maxLenBytes: number("maxLenBytes") ?? plan.limits.maxLenBytes,
  };
  return {
    topic,
    name,
    counts: type === "quorum",
    single,
    limits,
    routingKeys: (own("routingKey") ?? "").split(","),
    arguments: {
      "x-queue-type": type,
      ...(priority !== undefined && { "x-max-priority": Math.min(priority, PRIORITIES) }),
      ...(single && { "x-single-active-consumer": true }),
      ...lengths(limits),
      ...(plan.buries !== "nothing" && { "x-dead-letter-exchange": `dlx-${name}` }),
    },
  };

  function number(key: string): number | undefined {
    const text = own(key);
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
    throw config(
      component,
      `${key} of topic ${topic} must be a whole number above 0, not ${JSON.stringify(text)}`,
    );
  }
}

/** Reads metadata by name, in any case, as Dapr does. */
export function readerOf(
  metadata: Readonly<Record<string, string>>,
): (name: string) => string | undefined {
  const known = new Map(Object.entries(metadata).map(([key, value]) => [key.toLowerCase(), value]));
  return (name) => known.get(name.toLowerCase());
}

function lengths({ maxLen, maxLenBytes }: Limits): Record<string, number> {
  return {
    ...(maxLen !== undefined && { "x-max-length": maxLen }),
    ...(maxLenBytes !== undefined && { "x-max-length-bytes": maxLenBytes }),
  };
}

export async function declareExchange(
  channel: Channel,
  { exchangeKind, durable, autoDelete }: RabbitPlan,
  topic: string,
): Promise<void> {
  await channel.assertExchange(topic, exchangeKind, { durable, autoDelete });
}

/** The exchange, the queue that it leads to, and where that leaves what is dropped, in the order that loses nothing. */
export async function declareQueue(
  channel: Channel,
  plan: RabbitPlan,
  queue: QueuePlan,
): Promise<void> {
  const { durable, autoDelete } = plan;
  const { name, topic, routingKeys } = queue;
  await declareExchange(channel, plan, topic);
  if (plan.buries !== "nothing") {
    await channel.assertExchange(`dlx-${name}`, "fanout", { durable: true, autoDelete });
    await channel.assertQueue(`dlq-${name}`, {
      durable: true,
      autoDelete,
      arguments: { "x-queue-mode": "lazy", ...lengths(queue.limits) },
    });
    await channel.bindQueue(`dlq-${name}`, `dlx-${name}`, "");
  }
  await channel.assertQueue(name, { durable, autoDelete, arguments: queue.arguments });
  for (const key of routingKeys) await channel.bindQueue(name, topic, key);
}
