import type { Settings } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import { type OutgoingMessage, type PubSub, pubSub } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { isTruthy } from "../../src/settings.ts";
import { inTime } from "./_deadline.ts";
import { createConnection, explain } from "./_mqtt-connection.ts";
import { CONCURRENCY } from "./_mqtt-feed.ts";
import { planOf } from "./_mqtt-settings.ts";
import { createSubscriber } from "./_mqtt-subscriber.ts";
import { isTopic } from "./_mqtt-topics.ts";

const fields = {
  url: {
    type: "string",
    required: true,
    sensitive: true,
    description:
      "Where the broker is, with user and password if it wants them: `mqtt://user:password@host:1883`. Also tcp; mqtts, tls, tcps and ssl by TLS; ws and wss.",
  },
  qos: {
    type: "number",
    default: 1,
    description:
      "Of what is published and subscribed to: 0 (may be lost), 1 or 2. A message is acknowledged when it was handled.",
  },
  retain: {
    type: "boolean",
    default: false,
    description:
      "The broker keeps the last message of a topic for who comes later. Metadata `retain` of a message says otherwise.",
  },
  cleanSession: {
    type: "boolean",
    default: false,
    description: "The broker keeps nothing for this client while it is away: messages are lost.",
  },
  protocolVersion: {
    type: "number",
    default: 4,
    description: "Of MQTT: 4, which is 3.1.1, or 5. Not Dapr's.",
  },
  shareGroup: {
    type: "string",
    description:
      "Processes with the same one share the messages (`$share/<group>/<topic>`), each with a consumerID of its own that it keeps. What is published while none of them is there is lost. Not Dapr's.",
  },
  processingTimeout: {
    type: "duration",
    default: 60,
    description:
      "Time that a handler has for a message. Then it is given up, and the message comes again as after a failure. Not Dapr's.",
  },
  attemptsTopic: {
    type: "string",
    default: "pillion/attempts",
    description:
      "With `maxRetries`, the processes of a client id keep the deliveries of what failed in a retained message at `<attemptsTopic>/<consumerID>`, with a `/` of the id as `%2F`, where the user has to be let read and write. Not with qos 0, cleanSession or {uuid}, where nothing comes to another process. Not Dapr's.",
  },
  caCert: {
    type: "string",
    description:
      "PEM of the authority that signed the broker's certificate, where Node does not know it.",
  },
  clientCert: { type: "string", description: "PEM of the certificate that the broker wants." },
  clientKey: { type: "string", sensitive: true, description: "PEM of its key." },
} as const;

/**
 * A broker of MQTT 3.1.1 or 5. `consumerID` is the client id, as it is: the broker keeps for it what was not handled, and
 * cuts off a second process that has the same. `{uuid}` in it is replaced. The broker counts nothing: with `maxRetries` the
 * processes of a client id keep the count in a retained message. It begins anew where the broker gives a message to another
 * client of a group, and for a retained message, which is sent anew to who subscribes. What is published while nobody
 * subscribes is gone, dead letters too.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.mqtt3",
  runsOn: ["node"],
  fields,
  features: () => ["SUBSCRIBE_WILDCARDS"],
  open: mqttBroker,
});

/** As Dapr waits for the broker to take a message. */
const PUBLISH_MS = 20_000;
const MOST_WAITING = 10_000;

function mqttBroker(
  settings: Settings<typeof fields> & { readonly consumerID: string },
  host: Host,
  name: string,
): PubSub {
  const { clock, random } = host;
  const plan = planOf(settings, random, name);
  let waiting = 0;
  let closed = false;
  // Of its own: a connection that is not read, because handlers are busy, would not hear what became of a message.
  const publisher = createConnection({
    component: name,
    options: { ...plan.options, clientId: `${plan.clientId}-${random.uuid()}`, clean: true },
  });
  const subscriber = createSubscriber({
    settings,
    plan,
    publisher,
    clock,
    random,
    component: name,
  });
  return {
    processingTimeout: settings.processingTimeout,
    concurrency: CONCURRENCY,

    init: async (call) => void (await ready(call)),

    async publish(topic, { data, metadata }, call) {
      if (!isTopic(topic)) {
        throw new ComponentError(
          "invalid",
          `component ${name}: ${JSON.stringify(topic)} is no topic to publish to: it is empty, or has a wildcard in it`,
        );
      }
      if (waiting >= MOST_WAITING) throw unavailable(`${waiting} messages wait for the broker`);
      const client = await ready(call);
      const retain = metadata.retain === undefined ? settings.retain : isTruthy(metadata.retain);
      waiting++;
      const sent = client
        .publishAsync(topic, payloadOf(data), { qos: plan.qos, retain })
        .catch((error: unknown) => {
          throw explain(error, name);
        })
        .finally(() => waiting--);
      const late = () => `component ${name}: the broker did not answer within ${PUBLISH_MS} ms`;
      await inTime(sent, call, PUBLISH_MS, late);
    },

    subscribe: (request, { signal }) => subscriber.subscribe(request, signal),

    native() {
      const client = subscriber.connection.client ?? publisher.client;
      if (client) return client;
      throw unavailable("there is no connection yet: the first call makes it");
    },

    async close() {
      closed = true;
      await subscriber.close();
      await publisher.end();
    },
  };

  function ready(call: Call) {
    if (closed) throw unavailable("it is closed");
    return publisher.ready(call);
  }

  function unavailable(problem: string): ComponentError {
    return new ComponentError("unavailable", `component ${name}: ${problem}`);
  }
}

function payloadOf(data: OutgoingMessage["data"]): string | Buffer {
  return typeof data === "string" ? data : Buffer.from(data.buffer, data.byteOffset, data.length);
}
