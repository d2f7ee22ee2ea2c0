import { afterAll, beforeAll, describe } from "vitest";
import * as mqtt from "../../bindings/node/mqtt.ts";
import { pubSubSuite } from "../conformance/pubsub.ts";
import { absentMosquitto, type Mosquitto, startMosquitto } from "../harness/mosquitto.ts";

const absent = absentMosquitto();
let server: Mosquitto;

const wildcard = (name: string) => ({
  filter: `${name}/+/eu`,
  inside: `${name}/1/eu`,
  outside: `${name}/1/us`,
});

describe.skipIf(absent)(absent ? `MQTT (skipped: ${absent})` : "MQTT", () => {
  beforeAll(async () => {
    server = await startMosquitto();
  });

  afterAll(() => server?.stop());

  const sole = "one client id is one process: the broker cuts off the other";
  const skips = {
    "two processes of one consumer share the messages": sole,
    "stopping one process leaves the messages to the other": sole,
  };
  const url = () => server?.url ?? "mqtt://none";
  pubSubSuite("pubsub.mqtt3", (consumerID) => mqtt.pubsub({ url: url(), consumerID }), {
    wildcard,
    skips,
  });
  pubSubSuite(
    "pubsub.mqtt3 by MQTT 5",
    (consumerID) => mqtt.pubsub({ url: url(), consumerID, protocolVersion: 5 }),
    { wildcard, skips },
  );

  let clients = 0;
  const lost = "a shared subscription of nobody is none: the broker keeps nothing for it";
  pubSubSuite(
    "pubsub.mqtt3 with shareGroup",
    (shareGroup) =>
      mqtt.pubsub({ url: url(), shareGroup, consumerID: `${shareGroup}-${++clients}` }),
    {
      wildcard,
      skips: {
        "what is published while no process runs is delivered to the next one": lost,
        "a message whose time is over is delivered to nobody": lost,
      },
    },
  );
});
