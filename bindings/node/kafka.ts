import type { Admin } from "kafkajs";
import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { type OutgoingMessage, type PubSub, pubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { createClient, loadDriver } from "./_kafka-driver.ts";
import { explain } from "./_kafka-errors.ts";
import { type Outgoing, toRecord } from "./_kafka-message.ts";
import { createSender } from "./_kafka-producer.ts";
import { assigner } from "./_kafka-range.ts";
import { createSession } from "./_kafka-session.ts";
import { planOf } from "./_kafka-settings.ts";

const fields = {
  brokers: {
    type: "string",
    required: true,
    description: "Addresses as host:port, with commas between them.",
  },
  authType: {
    type: "string",
    description:
      "`none`, `password` (SASL), `mtls`, or `certificate` (TLS that only the broker proves itself by). Required.",
  },
  authRequired: {
    type: "boolean",
    description: "Dapr's older authType: true is `password`, false `none`.",
  },
  saslUsername: { type: "string", description: "User of authType password." },
  saslPassword: { type: "string", sensitive: true, description: "Password of the user." },
  saslMechanism: {
    type: "string",
    description: "`SHA-256` or `SHA-512` for SCRAM; default: plain, which wants TLS around it.",
  },
  disableTls: {
    type: "boolean",
    default: false,
    description: "No TLS, which every authType but none has otherwise.",
  },
  skipVerify: {
    type: "boolean",
    default: false,
    description: "Trust any certificate of the broker.",
  },
  caCert: {
    type: "string",
    description:
      "PEM of the authority that signed the broker's certificate, where Node does not know it.",
  },
  clientCert: { type: "string", description: "PEM of the certificate of authType mtls." },
  clientKey: { type: "string", sensitive: true, description: "PEM of its key." },
  consumerGroup: {
    type: "string",
    description: "Name of the consumer group. Default: consumerID.",
  },
  clientId: { type: "string", default: "sarama", description: "What the broker's log calls it." },
  initialOffset: {
    type: "string",
    default: "newest",
    description:
      "Where a group begins that has committed nothing: `newest`, which is when it subscribes, or `oldest`.",
  },
  consumerGroupRebalanceStrategy: {
    type: "string",
    default: "range",
    description:
      "How the group divides partitions: `range` or `roundrobin`. All of a group must have the same.",
  },
  consumerFetchDefault: {
    type: "number",
    default: 1_048_576,
    description: "Bytes fetched of a partition at a time.",
  },
  consumerFetchMin: {
    type: "number",
    default: 1,
    description: "Bytes that the broker waits for before it answers a fetch.",
  },
  channelBufferSize: {
    type: "number",
    default: 256,
    description:
      "Unhandled messages of a partition, those that are to come again too, beyond which no more are fetched.",
  },
  heartbeatInterval: {
    type: "duration",
    default: 3,
    description: "Between two signs of life to the group.",
  },
  sessionTimeout: {
    type: "duration",
    default: 10,
    description: "Without a sign of life for so long, the group gives the partitions to others.",
  },
  backOffPolicy: {
    type: "string",
    default: "constant",
    description:
      "Wait before a message comes again whose subscription names none: `constant` or `exponential`.",
  },
  backOffDuration: {
    type: "duration",
    unit: "ms",
    default: 5000,
    description: "That wait, with policy constant.",
  },
  backOffInitialInterval: {
    type: "duration",
    unit: "ms",
    default: 500,
    description: "First wait with policy exponential, half as long again each further time.",
  },
  backOffMaxInterval: {
    type: "duration",
    unit: "ms",
    default: 60_000,
    description: "Longest wait with policy exponential.",
  },
  backOffMaxRetries: {
    type: "number",
    default: -1,
    description: "Refused above -1: the message would be lost. Set maxRetries of the subscription.",
  },
  consumeRetryEnabled: {
    type: "boolean",
    default: true,
    description: "Refused when false: a message that fails would be lost.",
  },
  consumeRetryInterval: {
    type: "duration",
    unit: "ms",
    description: "No effect: the group is joined again after 0.1 s, doubled up to 3 s.",
  },
  producerRequiredAcks: {
    type: "string",
    default: "all",
    description:
      "Who must have a message before it counts as published: `all` replicas in sync, `local` (the leader), `none`.",
  },
  producerRetryMax: {
    type: "number",
    default: 5,
    description: "Further attempts to publish, which may publish twice.",
  },
  maxMessageBytes: {
    type: "number",
    default: 1_048_576,
    description: "Largest message; one part of a bulk has no more either.",
  },
  compression: {
    type: "string",
    default: "none",
    description: "Of what is published: `none`, `gzip` or `zstd`.",
  },
  escapeHeaders: {
    type: "boolean",
    default: false,
    description: "Received headers and keys are escaped as in a URL's query.",
  },
  excludeHeaderMetaRegex: {
    type: "string",
    description: "Metadata with a matching name do not become headers.",
  },
  clientConnectionTopicMetadataRefreshInterval: {
    type: "duration",
    default: 480,
    description: "How often topics are looked at for new partitions.",
  },
  dialTimeout: { type: "duration", default: 30, description: "How long a connection may take." },
  readTimeout: {
    type: "duration",
    default: 30,
    description: "How long a call waits for the broker in all.",
  },
  writeTimeout: { type: "duration", description: "No effect: readTimeout is for both." },
  version: { type: "string", description: "No effect: client and broker agree on it." },
  clientConnectionKeepAliveInterval: {
    type: "duration",
    description: "No effect: a connection is kept, and made anew when it is lost.",
  },
  oidcTokenEndpoint: { type: "string", description: "Refused: not built." },
  oidcClientID: { type: "string", description: "Refused: not built." },
  oidcClientSecret: { type: "string", sensitive: true, description: "Refused: not built." },
  oidcScopes: { type: "string", description: "Refused: not built." },
  oidcExtensions: { type: "string", description: "Refused: not built." },
  schemaRegistryURL: { type: "string", description: "Refused: not built." },
  schemaRegistryAPIKey: { type: "string", sensitive: true, description: "Refused: not built." },
  schemaRegistryAPISecret: { type: "string", sensitive: true, description: "Refused: not built." },
  useAvroJSON: { type: "boolean", description: "Refused: not built." },
  region: { type: "string", description: "Refused: AWS IAM is not built." },
  accessKey: { type: "string", sensitive: true, description: "Refused: AWS IAM is not built." },
  secretKey: { type: "string", sensitive: true, description: "Refused: AWS IAM is not built." },
  sessionToken: { type: "string", sensitive: true, description: "Refused: AWS IAM is not built." },
} as const;

/**
 * Topics of Kafka, as one member of a consumer group. What has no key is handled in any order, as far as `concurrency` lets
 * several be handled at a time; what has one is handled in the order of its key.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.kafka",
  runsOn: ["node"],
  fields,
  features: () => ["BULK_PUBSUB", "ORDERING"],
  open: kafkaBroker,
});

type KafkaOptions = Settings<typeof fields> & { readonly consumerID: string };

/** How often kafkajs tries by itself for a call that somebody waits for, and for the group, which waits for nobody. */
const ONCE = { retries: 1, initialRetryTime: 100 };
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
/** Bytes of a record beside its value, key and headers, at most about. */
const OVERHEAD = 100;

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
    async make() {
      const driver = await loadDriver();
      return { driver, kafka: createClient(driver, plan.client, ONCE) };
    },
  });
  const session = createSession({
    host,
    component: name,
    limit: settings.channelBufferSize,
    delay: (attempt) => delayOf(settings, attempt),
    run: parts,
  });
  return {
    init: (call) => sender.connect(call),

    publish: async (topic, message, call) => sender.send(topic, [recordOf(message)], call),

    async publishBulk(topic, messages, call) {
      const outcomes: (ComponentError | undefined)[] = new Array(messages.length);
      for (const part of partsOf(messages, outcomes)) {
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

  function recordOf(message: OutgoingMessage): Outgoing {
    const record = toRecord(message, headers, name);
    if (sizeOf(record) <= settings.maxMessageBytes) return record;
    throw new ComponentError(
      "invalid",
      `component ${name}: the message has more bytes than maxMessageBytes, ${settings.maxMessageBytes}`,
    );
  }

  /** The messages in parts that a broker takes; what no broker is asked to take is an outcome already. */
  function partsOf(messages: readonly OutgoingMessage[], outcomes: (ComponentError | undefined)[]) {
    const parts: { readonly index: number; readonly record: Outgoing }[][] = [];
    let room = 0;
    for (const [index, message] of messages.entries()) {
      try {
        const record = recordOf(message);
        const size = sizeOf(record);
        if (size > room) {
          parts.push([]);
          room = settings.maxMessageBytes;
        }
        room -= size;
        parts.at(-1)?.push({ index, record });
      } catch (error) {
        outcomes[index] = error as ComponentError;
      }
    }
    return parts;
  }

  function refuseMetadata({ valueSchemaType = "none" }: Readonly<Record<string, string>>): void {
    if (valueSchemaType.toLowerCase() === "none") return;
    throw new ComponentError("config", `component ${name}: valueSchemaType is not built`);
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

function sizeOf({ key, value, headers }: Outgoing): number {
  const text = Object.entries(headers).flat().join("");
  return value.length + Buffer.byteLength(key ?? "") + Buffer.byteLength(text) + OVERHEAD;
}
