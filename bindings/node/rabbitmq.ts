import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { type PubSub, pubSub, type SubscribeRequest } from "../../src/contracts/pubsub.ts";
import { createLive } from "../_live.ts";
import { consume } from "./_rabbitmq-consumer.ts";
import { createKeeper } from "./_rabbitmq-keeper.ts";
import { link } from "./_rabbitmq-link.ts";
import { createPublisher } from "./_rabbitmq-publisher.ts";
import { planOf } from "./_rabbitmq-settings.ts";
import { queueOf, readerOf } from "./_rabbitmq-topology.ts";

const fields = {
  connectionString: {
    type: "string",
    aliases: ["host"],
    sensitive: true,
    description: "amqp://user:password@host:port/vhost, or amqps://. Or hostname and its kin.",
  },
  protocol: { type: "string", default: "amqp", description: "`amqp` or `amqps`, with hostname." },
  hostname: { type: "string", description: "Host, or host:port, without connectionString." },
  username: { type: "string", description: "User, with hostname. Default guest." },
  password: { type: "string", sensitive: true, description: "Password of the user." },
  saslExternal: {
    type: "boolean",
    default: false,
    description: "The certificate of the client says who it is, and not a user and a password.",
  },
  caCert: { type: "string", description: "PEM of the authority of the server's certificate." },
  clientCert: { type: "string", description: "PEM of the certificate that the server wants." },
  clientKey: { type: "string", sensitive: true, description: "PEM of its key." },
  clientName: { type: "string", description: "What the server calls the connections." },
  heartBeat: {
    type: "duration",
    default: 10,
    description: "A server that says nothing for twice as long is given up.",
  },
  reconnectWaitSeconds: {
    type: "duration",
    default: 3,
    description: "Wait of a subscription between two attempts to connect.",
  },
  durable: {
    type: "boolean",
    default: true,
    description: "Exchanges and queues outlive a restart of the server.",
  },
  deletedWhenUnused: {
    type: "boolean",
    default: false,
    description:
      "The server deletes an exchange and a queue, with its messages, once nobody uses them. Dapr's default is true.",
  },
  deliveryMode: {
    type: "number",
    default: 2,
    description:
      "2: messages outlive a restart of the server; 0 and 1: they do not. Dapr's default is 0.",
  },
  exchangeKind: {
    type: "string",
    default: "fanout",
    description: "`fanout`, `topic`, `direct` or `headers`.",
  },
  enableDeadLetter: {
    type: "boolean",
    default: false,
    description:
      "A failed message without maxRetries goes to the server's queue `dlq-<queue>`, and what the server drops too.",
  },
  requeueInFailure: {
    type: "boolean",
    description:
      "With enableDeadLetter: a failed message comes again all the same. Without, it always does, where Dapr drops it.",
  },
  maxLen: { type: "number", description: "Most messages of a queue. The server drops the oldest." },
  maxLenBytes: { type: "number", description: "Most bytes of a queue's messages." },
  ttlInSeconds: {
    type: "number",
    description: "Seconds after which a message that names none is dropped.",
  },
  prefetchCount: {
    type: "number",
    default: 0,
    description:
      "Messages that the server gives a subscription beforehand; 0: two for each handler. Those that wait to come again do not count.",
  },
  publishMessagePropertiesToMetadata: {
    type: "boolean",
    default: false,
    description: "The handler gets message properties and headers as `metadata.<name>`.",
  },
  concurrencyMode: {
    type: "string",
    aliases: ["concurrency"],
    default: "parallel",
    description:
      "`single`: one message after the other; `parallel`: 10 at a time. A subscription's own number comes before.",
  },
  publisherConfirm: {
    type: "boolean",
    description: "No effect: a publish always waits for the server to have the message.",
  },
  autoAck: {
    type: "boolean",
    description: "Refused when true: what was not handled would be acknowledged.",
  },
} as const;

/**
 * Topics that are exchanges of RabbitMQ, with a queue for each consumerID. Queues of type quorum count how often a message
 * was delivered; those of type classic do not. There a subscription with `maxRetries` publishes what comes again anew, with
 * its count, at the end of the queue; without, each process counts what failed in itself. A policy's delivery-limit must be
 * above 10, or none.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.rabbitmq",
  runsOn: ["node"],
  fields,
  features: () => ["MESSAGE_TTL"],
  open: rabbitMQ,
});

/** Below the half hour after which the server takes a channel's messages back by default. */
const HANDLING_MS = 29 * 60_000;

function rabbitMQ(
  settings: Settings<typeof fields> & { readonly consumerID: string },
  host: Host,
  name: string,
): PubSub {
  const plan = planOf(settings, name);
  // A server that is short of memory stops reading from those who publish: acknowledgements go another way.
  const [out, back] = [link(plan, name), link(plan, name)];
  const publisher = createPublisher(out, plan, name);
  // On a channel of its own, which a refusal closes.
  const { copy } = createPublisher(out, plan, name);
  const keeper = createKeeper(out, plan, name);
  const live = createLive();

  return {
    processingTimeout: HANDLING_MS,
    concurrency: plan.concurrency,

    async init(call) {
      await out.connected(call);
    },

    publish: (topic, message, call) =>
      (keeper.has(topic) ? keeper : publisher).publish(topic, message, call),

    async subscribe(request, call) {
      const { topic, metadata, concurrency = plan.concurrency, maxRetries, deliver } = request;
      const queue = queueOf(plan, topic, metadata, name);
      keepDead(request);
      const subscription = await consume({
        component: name,
        server: back,
        copy,
        clock: host.clock,
        plan,
        queue,
        concurrency,
        maxRetries,
        deliver,
        call,
      });
      return live.add(subscription);
    },

    native: () => out.native(),

    async close() {
      await live.stop();
      await Promise.all([out.close(), back.close()]);
    },
  };

  /** As subscribing to the dead letters would, to a queue of the same type. */
  function keepDead({ deadLetterTopic, metadata }: SubscribeRequest): void {
    if (deadLetterTopic === undefined) return;
    const queueType = readerOf(metadata)("queueType") ?? "";
    keeper.add(queueOf(plan, deadLetterTopic, { queueType }, name));
  }
}
