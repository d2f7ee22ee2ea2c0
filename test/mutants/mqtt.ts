import type { Mutant } from "./mutant.ts";

const inbox = "bindings/node/_mqtt-inbox.ts";
const feed = "bindings/node/_mqtt-feed.ts";
const tests = ["test/node/mqtt-trouble.test.ts"];

export const mqtt: readonly Mutant[] = [
  {
    name: "MQTT: a message is acknowledged when it is read",
    file: inbox,
    replace: "packet.qos = 0;",
    by: "",
    tests,
  },
  {
    name: "MQTT: a message is acknowledged that is to come again",
    file: feed,
    replace: 'if (outcome.is === "done") {\n      entry.done();\n      return;',
    by: 'entry.done();\n    if (outcome.is === "done") {\n      return;',
    tests,
  },
  {
    name: "MQTT: what is in hand is delivered again on a new connection",
    file: inbox,
    replace: "if (known && again) {",
    by: "if (known && !again) {",
    tests,
  },
  {
    name: "MQTT: what came while nobody was there for it stays with the broker",
    file: "bindings/node/_mqtt-subscriber.ts",
    replace: "if (inbox.owed()) client.stream.destroy();",
    by: "",
    tests,
  },
  {
    name: "MQTT: the broker keeps no session",
    file: "bindings/node/_mqtt-subscriber.ts",
    replace: "clean: cleanSession,",
    by: "clean: true,",
    tests: ["test/node/mqtt-layout.test.ts"],
  },
  {
    name: "MQTT: what waits when a subscription stops is never handled",
    file: feed,
    replace: "for (const entry of waiting.splice(0)) entry.drop();",
    by: "waiting.length = 0;",
    tests,
  },
  {
    name: "MQTT: a handler has no limit",
    file: "bindings/node/mqtt.ts",
    replace: "processingTimeout: settings.processingTimeout,",
    by: "",
    tests,
  },
];
