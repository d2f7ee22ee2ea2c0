import type { Admin } from "kafkajs";
import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { type OutgoingMessage, type PubSub, pubSub } from "../../src/contracts/pubsub.ts";
import type { ComponentError } from "../../src/errors.ts";
import { config } from "./_config.ts";
import { createClient, loadDriver } from "./_kafka-driver.ts";
import { explain } from "./_kafka-errors.ts";
import { kafkaFields as fields } from "./_kafka-fields.ts";
import { toRecord } from "./_kafka-message.ts";
import { checkSize, partsOf } from "./_kafka-parts.ts";
import { createSender } from "./_kafka-producer.ts";
import { assigner } from "./_kafka-range.ts";
import { createSession } from "./_kafka-session.ts";
import { planOf } from "./_kafka-settings.ts";

/**
 * Topics of Kafka, as one member of a consumer group. What has no key is handled in any order, as far as `concurrency` lets
 * several be handled at a time; what has one is handled in the order of its key. A process counts what failed in itself: a
 * message that goes to another with its partition begins anew. With `maxRetries` it goes there with its count, and what was
 * handled behind it does not come again: both stand in the text beside the committed position, which has room for 300
 * unhandled messages of a partition. Who commits without such text, as Dapr does, forgets them.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.kafka",
  runsOn: ["node"],
  fields,
  features: () => ["BULK_PUBSUB", "ORDERING"],
  open: kafkaBroker,
});

type KafkaOptions = Settings<typeof fields> & { readonly consumerID: string };

/** How often kafkajs tries by itself for the group, which waits for nobody. */
const PATIENTLY = {
  retries: 5,
  initialRetryTime: 100,
  multiplier: 2,
  factor: 0.2,
  maxRetryTime: 3000,
};
/** As Dapr's driver: how long a broker waits for messages before it says that there are none. */
const POLL_MS = 500;
const REBALANCE_MS = 60_000;

function kafkaBroker(settings: KafkaOptions, host: Host, name: string): PubSub {
  const plan = planOf(settings, name);
  const headers = { escapeHeaders: settings.escapeHeaders, exclude: plan.exclude };
  const metadataMaxAge = settings.clientConnectionTopicMetadataRefreshInterval;
  let admin: Promise<Admin> | undefined;
  const sender = createSender({
    plan,
    random: host.random,
    component: name,
    limit: settings.readTimeout,
    retries: settings.producerRetryMax,
    metadataMaxAge,
  });
  const session = createSession({
    host,
    component: name,
    limit: settings.channelBufferSize,
    delay: (attempt) => delayOf(settings, attempt),
    run: parts,
  });
  const recordOf = (message: OutgoingMessage) =>
    checkSize(toRecord(message, headers, name), settings.maxMessageBytes, name);
  return {
    processingTimeout: settings.processingTimeout,

    init: (call) => sender.connect(call),

    publish: async (topic, message, call) => sender.send(topic, [recordOf(message)], call),

    async publishBulk(topic, messages, call) {
      const outcomes: (ComponentError | undefined)[] = new Array(messages.length);
      for (const part of partsOf(messages, recordOf, settings.maxMessageBytes, outcomes)) {
        const records = part.map(({ record }) => record);
        const failed = await sender.send(topic, records, call).then(
          () => undefined,
          (error: unknown) => error as ComponentError,
        );
        for (const { index } of part) outcomes[index] = failed;
      }
      return outcomes;
    },

    async subscribe(request, call) {
      refuseMetadata(request.metadata);
      try {
        await sender.connect(call);
        return await session.subscribe(request);
      } catch (error) {
        throw explain(error, name);
      }
    },

    native: () => sender.native(),

    async close() {
      await session.close();
      await sender.close();
      const opened = await admin?.catch(() => undefined);
      await opened?.disconnect().catch(() => undefined);
    },
  };

  function refuseMetadata({ valueSchemaType = "none" }: Readonly<Record<string, string>>): void {
    if (valueSchemaType.toLowerCase() === "none") return;
    throw config(name, "valueSchemaType is not built");
  }

  async function parts() {
    const driver = await loadDriver();
    const kafka = createClient(driver, plan.client, PATIENTLY);
    const groupId = settings.consumerGroup || settings.consumerID;
    const consumer = (again: () => boolean) =>
      kafka.consumer({
        groupId,
        partitionAssigners: [assigner(driver, plan.strategy)],
        sessionTimeout: settings.sessionTimeout,
        heartbeatInterval: settings.heartbeatInterval,
        rebalanceTimeout: REBALANCE_MS,
        maxBytesPerPartition: settings.consumerFetchDefault,
        minBytes: settings.consumerFetchMin,
        maxWaitTimeInMs: POLL_MS,
        metadataMaxAge,
        retry: { ...PATIENTLY, restartOnFailure: async () => again() },
      });
    admin ??= connectAdmin(kafka.admin()).catch((error: unknown) => {
      admin = undefined;
      throw error;
    });
    const { clock } = host;
    return { admin: await admin, group: groupId, oldest: plan.oldest, headers, clock, consumer };
  }
}

async function connectAdmin(admin: Admin): Promise<Admin> {
  await admin.connect();
  return admin;
}

function delayOf(settings: KafkaOptions, attempt: number): number {
  if (settings.backOffPolicy === "constant") return settings.backOffDuration;
  const { backOffInitialInterval: first, backOffMaxInterval: most } = settings;
  return Math.min(most, first * 1.5 ** (attempt - 1));
}
