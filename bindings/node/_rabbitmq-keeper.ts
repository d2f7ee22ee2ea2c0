import type { PubSub } from "../../src/contracts/pubsub.ts";
import { nobody } from "./_deadline.ts";
import type { RabbitLink } from "./_rabbitmq-link.ts";
import { createPublisher } from "./_rabbitmq-publisher.ts";
import type { RabbitPlan } from "./_rabbitmq-settings.ts";
import { declareQueue, type QueuePlan } from "./_rabbitmq-topology.ts";

/**
 * Publishes to topics of which nothing may be lost although nobody may have subscribed: what comes back, because no queue is
 * there for it, gets one. Not before, or it would fill where others read the topic.
 */
export interface Keeper extends Pick<PubSub, "publish"> {
  /** The queue for what comes back of its topic. */
  add(queue: QueuePlan): void;
  has(topic: string): boolean;
}

export function createKeeper(server: RabbitLink, plan: RabbitPlan, component: string): Keeper {
  const publisher = createPublisher(server, plan, component);
  const queues = new Map<string, QueuePlan>();
  let turn: Promise<void> = Promise.resolve();
  return {
    add: (queue) => void queues.set(queue.topic, queue),
    has: (topic) => queues.has(topic),
    // One after the other: the server does not say which message it is that comes back.
    publish(topic, message, call) {
      const done = turn.then(async () => {
        call.signal?.throwIfAborted();
        if (await publisher.offer(topic, message, call)) return;
        await declare(queues.get(topic) as QueuePlan);
        await publisher.publish(topic, message, call);
      });
      turn = done.catch(() => undefined);
      return done;
    },
  };

  /** On a channel of its own, which a refusal closes. */
  async function declare(queue: QueuePlan): Promise<void> {
    const connection = await server.connected(nobody);
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    await declareQueue(channel, plan, queue);
    await channel.close();
  }
}
