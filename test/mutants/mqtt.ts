import type { Mutant } from "./mutant.ts";

const inbox = "bindings/node/_mqtt-inbox.ts";
const feed = "bindings/node/_mqtt-feed.ts";
const attempts = "bindings/node/_mqtt-attempts.ts";
const tests = ["test/node/mqtt-trouble.test.ts"];
const counted = ["test/node/mqtt-attempts.test.ts"];

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
    replace: "if (joining === 0 && inbox.owed()) renew();",
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
  {
    name: "MQTT: a delivery begins before it is on record",
    file: feed,
    replace: "if (claimed) void claim(entry, claimed);\n      else run(entry);",
    by: "run(entry);",
    tests: counted,
  },
  {
    name: "MQTT: the record forgets a message before it is acknowledged",
    file: inbox,
    replace:
      "(live as unknown as Sender)._sendPacket({ cmd, messageId });\n    const settled = attempts.settled(entry);",
    by: "const settled = attempts.settled(entry);\n    const sender = live as unknown as Sender;\n    void Promise.resolve(settled).then(() => sender._sendPacket({ cmd, messageId }));",
    tests: counted,
  },
  {
    name: "MQTT: what a dead process had in hand is not counted",
    file: attempts,
    replace: "one.begun += dup ? one.recorded : 0;",
    by: "",
    tests: counted,
  },
  {
    name: "MQTT: what a process wrote is not read by the next",
    file: attempts,
    replace: "left.set(Number(number), line);",
    by: "",
    tests: ["test/node/budget.test.ts"],
  },
  {
    name: "MQTT: a stop counts as a delivery of what waited",
    file: attempts,
    replace: 'write(record(0, "begun"))',
    by: 'write(record(1, "recorded"))',
    tests: counted,
  },
  {
    name: "MQTT: a message is taken for the one whose number it has",
    file: attempts,
    replace: "print !== undefined && print === printOf(one)",
    by: "print !== undefined",
    tests: counted,
  },
  {
    name: "MQTT: records are handled as messages",
    file: inbox,
    replace: "if (isRecord(packet)) return;",
    by: "",
    tests: counted,
  },
  {
    name: "MQTT: whatever lies where records do is believed",
    file: "bindings/node/_mqtt-record.ts",
    replace: "return isKept(kept) ? kept : undefined;",
    by: "return kept as Kept;",
    tests: counted,
  },
  {
    name: "MQTT: what came before its topic was subscribed to loses its count",
    file: attempts,
    replace: "for (const one of early.values()) {\n      lookUp(one);\n      leave(one);",
    by: "for (const one of early.values()) {\n      lookUp(one);",
    tests: counted,
  },
  {
    name: "MQTT: a topic is subscribed to on a connection that is about to end",
    file: "bindings/node/_mqtt-subscriber.ts",
    replace: "await renewed;",
    by: "",
    tests: counted,
  },
  {
    name: "MQTT: what only waited is counted where one delivery is all it has",
    file: attempts,
    replace: "if (each) unlisted = 0;",
    by: "",
    tests: counted,
  },
  {
    name: "MQTT: a lost connection is told as a missing permission",
    file: attempts,
    replace: "if (!(await announce()) && !(await announce()))",
    by: "if (!(await announce()))",
    tests: counted,
  },
  {
    name: "MQTT: a topic is subscribed to whose messages are taken for the record",
    file: "bindings/node/_mqtt-subscriber.ts",
    replace: "if (filterOf(topic) === recordTopic) {",
    by: 'if (topic === "") {',
    tests: counted,
  },
  {
    name: "MQTT: a record that the broker drops unsaid is relied on",
    file: attempts,
    replace: 'if (!echo && !heard.lost) refused("it did not come back");',
    by: "",
    tests: counted,
  },
  {
    name: "MQTT: a message waits for ever for a record that is refused",
    file: attempts,
    replace: 'last = write(record(unlisted, "recorded")).catch(ignore);',
    by: 'last = write(record(unlisted, "recorded"));',
    tests: counted,
  },
  {
    name: "MQTT: a full process does not read the answer to a claim",
    file: "bindings/node/_mqtt-subscriber.ts",
    replace: "(running > 0 && claiming === 0)",
    by: "running > 0",
    tests: counted,
  },
];
