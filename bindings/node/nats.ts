import type { JetStreamManager } from "@nats-io/jetstream";
import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { type PubSub, pubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { graceOf } from "../_lease.ts";
import { createLive } from "../_live.ts";
import { ensure, streamOf } from "./_nats-consumer.ts";
import { checkSubject, isUnheard } from "./_nats-errors.ts";
import { link } from "./_nats-link.ts";
import { pull } from "./_nats-pull.ts";
import { planOf } from "./_nats-settings.ts";

const fields = {
  natsURL: {
    type: "string",
    required: true,
    sensitive: true,
    description:
      "Address as nats://host:port, or tls://host:port; several with commas for a cluster. A user and a password, or a token, may stand in it.",
  },
  jwt: {
    type: "string",
    sensitive: true,
    description: "The user's JSON Web Token. Needs seedKey.",
  },
  seedKey: { type: "string", sensitive: true, description: "The user's NKey seed, for jwt." },
  token: { type: "string", sensitive: true, description: "Token that the server asks for." },
  tls_client_cert: {
    type: "string",
    description: "File in PEM: the certificate that the server asks for. Needs tls_client_key.",
  },
  tls_client_key: { type: "string", description: "File in PEM: the key of the certificate." },
  name: {
    type: "string",
    default: "dapr.io - pubsub.jetstream",
    description: "What the server calls the connection.",
  },
  streamName: {
    type: "string",
    description:
      "Stream that subscriptions read. Default: the one that has the topic among its subjects.",
  },
  durableName: {
    type: "string",
    description:
      "Durable consumer on the server, for one topic. Default: one per topic, named from consumerID and the topic.",
  },
  queueGroupName: {
    type: "string",
    description: "In place of consumerID: subscribers with the same one share the messages.",
  },
  deliverPolicy: {
    type: "string",
    default: "all",
    description:
      "Where a new consumer begins: `all`, `last`, `new`, `sequence` (with startSequence) or `time` (with startTime).",
  },
  startSequence: { type: "number", description: "First message, for deliverPolicy `sequence`." },
  startTime: {
    type: "number",
    description: "Seconds since 1970 of the first message, for deliverPolicy `time`.",
  },
  ackWait: {
    type: "duration",
    description:
      "How long the server waits for a process before it gives a message to another. A handler has a tenth less, at most a second. Also the wait before a failed one comes again, where nothing else says it. Default 30s, and 1s for failed ones.",
  },
  maxDeliver: {
    type: "number",
    description:
      "Deliveries of a message after which the server gives it up, also those that a stopping process gives back; a subscription's maxRetries must be less. Default: it never does.",
  },
  backOff: {
    type: "string",
    description:
      "Durations with commas: what a message waits before its second delivery, its third, and so on; the last one stays. In place of ackWait.",
  },
  maxAckPending: {
    type: "number",
    description:
      "Most messages of a consumer that are handled or wait to come again, in all processes. Default: any number.",
  },
  replicas: {
    type: "number",
    description: "Servers that keep the consumer. Default: the stream's.",
  },
  memoryStorage: {
    type: "boolean",
    description:
      "Keep the consumer in the server's memory: after a restart of the server it begins anew by deliverPolicy.",
  },
  heartbeat: {
    type: "duration",
    default: 5,
    description: "A consumer of which nothing is heard for twice as long is asked anew.",
  },
  concurrencyMode: {
    type: "string",
    aliases: ["concurrency"],
    default: "single",
    description:
      "`single`: one message after the other; `parallel`: 10 at a time. A subscription's own number comes before.",
  },
  domain: { type: "string", description: "JetStream domain." },
  apiPrefix: {
    type: "string",
    description: "Subjects under which JetStream's API is, where it is not $JS.API.",
  },
  flowControl: {
    type: "boolean",
    description: "No effect: what is pulled comes no faster than it is handled.",
  },
  ackPolicy: {
    type: "string",
    description:
      "`explicit`. Dapr's `all` and `none` are refused: they acknowledge what was not handled.",
  },
  rateLimit: { type: "number", description: "Refused: it is for consumers that push." },
} as const;

/**
 * Topics that are subjects of streams in NATS JetStream, which have to exist. A topic with `*` and `>` subscribes to every
 * subject that it matches.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.jetstream",
  runsOn: ["node"],
  fields,
  features: () => ["SUBSCRIBE_WILDCARDS"],
  open: jetStream,
});

/** Milliseconds that the server may take to answer. */
const ANSWER_MS = 5000;

function jetStream(
  settings: Settings<typeof fields> & { readonly consumerID: string },
  host: Host,
  name: string,
): PubSub {
  const plan = planOf(settings, name);
  const server = link(plan, name, ANSWER_MS);
  const live = createLive();

  return {
    processingTimeout: plan.lease - graceOf(plan.lease),
    concurrency: plan.concurrency,
    maxRetries: settings.maxDeliver && settings.maxDeliver - 1,
    maxRetriesSetting: "maxDeliver",

    async init(call) {
      await server.connected(call);
    },

    async publish(topic, { data, id }, call) {
      checkSubject(topic, name, "publish");
      // The server drops what a stream had before by this name, also where it came to another of the stream's topics.
      const named = id !== undefined && { msgID: `${topic} ${id}` };
      const options = { ...named, timeout: ANSWER_MS };
      await server.ask(call, ({ js, manager }) =>
        js.publish(topic, data, options).catch(async (error: unknown) => {
          throw isUnheard(error) ? await whyUnheard(manager, topic) : error;
        }),
      );
    },

    async subscribe(request, call) {
      const { topic, concurrency = plan.concurrency, deliver } = request;
      checkSubject(topic, name, "subscribe");
      const consumer = plan.consumer(topic);
      const subscription = await pull({
        ...plan,
        concurrency,
        deliver,
        // Waiting for a connection, and then for an answer.
        afterwards: 2 * ANSWER_MS,
        clock: host.clock,
        server,
        call,
        ensure: (session) => ensure(session, consumer, name),
      });
      return live.add(subscription);
    },

    native: () => server.native(),

    async close() {
      await live.stop();
      await server.close();
    },
  };

  async function whyUnheard(manager: JetStreamManager, topic: string): Promise<ComponentError> {
    const stream = await streamOf(manager, topic, name);
    return new ComponentError("unavailable", `component ${name}: stream ${stream} took no message`);
  }
}
