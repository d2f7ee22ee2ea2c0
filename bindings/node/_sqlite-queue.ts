import type { Host } from "../../src/contracts/host.ts";
import type { PubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { complain } from "./_config.ts";
import { type Consumer, consume } from "./_sqlite-queue-consumer.ts";
import { openQueue, type QueueSettings } from "./_sqlite-queue-store.ts";
import { type Watcher, watchFile } from "./_sqlite-queue-watch.ts";

/** Messages of one transaction, so that a large bulk does not hold up the process. */
const BULK = 1000;

export interface SqliteQueueSettings extends QueueSettings {
  readonly concurrency: number;
  readonly consumerID: string;
}

export function sqliteQueue(settings: SqliteQueueSettings, host: Host, name: string): PubSub {
  const { processingTimeout, consumerID } = settings;
  check(settings, name);
  const queue = openQueue(settings, host, name);
  const consumers = new Map<Consumer, number>();
  let watcher: Watcher | undefined;
  let closed = false;

  return {
    processingTimeout,
    concurrency: settings.concurrency,
    maxBulkMessages: BULK,

    async publish(topic, message, call) {
      checkOpen();
      wake(await queue.publish(topic, [message], call));
    },

    async publishBulk(topic, messages, call) {
      checkOpen();
      wake(await queue.publish(topic, messages, call));
      return messages.map(() => undefined);
    },

    async subscribe(request, call) {
      checkOpen();
      const { topic, deadLetterTopic } = request;
      const group = await queue.join(topic, consumerID, call);
      if (deadLetterTopic !== undefined) await queue.keep(deadLetterTopic, consumerID, call);
      checkOpen();
      watcher ??= watch();
      const concurrency = request.concurrency ?? settings.concurrency;
      const options = { request, concurrency, host, call, processingTimeout };
      const consumer = consume(queue, group, options);
      consumers.set(consumer, group);
      return { stop: () => stop(consumer) };
    },

    init: (call) => queue.look(call),
    native: () => queue.native(),

    async close() {
      closed = true;
      await Promise.all([...consumers.keys()].map(stop));
      queue.close();
    },
  };

  function checkOpen(): void {
    if (closed) throw new ComponentError("unavailable", `component ${name} is closed`);
  }

  function watch(): Watcher | undefined {
    const path = queue.native().location();
    return path === null ? undefined : watchFile(path, host.clock, () => wake());
  }

  /** Other processes see that the file has changed; this one need not wait for that. */
  function wake(groups?: ReadonlySet<number>): void {
    for (const [consumer, group] of consumers) {
      if (!groups || groups.has(group)) consumer.wake();
    }
  }

  async function stop(consumer: Consumer): Promise<void> {
    await consumer.stop();
    consumers.delete(consumer);
    wake();
    if (consumers.size > 0) return;
    watcher?.close();
    watcher = undefined;
  }
}

function check({ processingTimeout, concurrency }: SqliteQueueSettings, name: string): void {
  complain(name, [
    [processingTimeout <= 0, "processingTimeout must be above 0"],
    [
      !Number.isInteger(concurrency) || concurrency < 1,
      "concurrency must be a whole number above 0",
    ],
  ]);
}
