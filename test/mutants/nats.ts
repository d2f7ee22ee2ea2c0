import type { Mutant } from "./mutant.ts";

const pull = "bindings/node/_nats-pull.ts";
const trouble = ["test/node/nats-trouble.test.ts"];
const layout = ["test/node/nats-layout.test.ts"];

export const nats: readonly Mutant[] = [
  {
    name: "NATS: a message is acknowledged before it is handled",
    file: pull,
    replace: "    const incoming = toIncoming(message);\n",
    by: "    const incoming = toIncoming(message);\n    answers.add(message, ACK);\n",
    tests: trouble,
  },
  {
    name: "NATS: a message that is to come again is acknowledged",
    file: pull,
    replace: "answers.add(message, nak(outcome.delay ?? options.wait(incoming.attempt)));",
    by: "answers.add(message, ACK);",
    tests: layout,
  },
  {
    name: "NATS: a failed message comes again at once",
    file: pull,
    replace: "outcome.delay ?? options.wait(incoming.attempt)",
    by: "outcome.delay ?? 0",
    tests: layout,
  },
  {
    name: "NATS: a process takes more than it can handle",
    file: pull,
    replace: "concurrency + ahead.count() -",
    by: "concurrency + 100 -",
    tests: ["test/node/nats-kill.test.ts"],
  },
  {
    name: "NATS: what waits in a process that stops is kept back",
    file: pull,
    replace: "for (const { message } of waiting.splice(0)) answers.add(message, nak(0));",
    by: "",
    tests: ["test/node/nats-trouble.test.ts"],
  },
  {
    name: "NATS: a handler has as long as the server waits, and what follows it has no time",
    file: "bindings/node/_nats-leases.ts",
    replace: "      renew(message);\n",
    by: "",
    tests: trouble,
  },
  {
    name: "NATS: a delivery that never ends keeps its message for ever",
    file: "bindings/node/_nats-leases.ts",
    replace: "if (now >= one.until) held.delete(message);",
    by: "if (now < one.since) held.delete(message);",
    tests: trouble,
  },
  {
    name: "NATS: an event that is published on to another topic of its stream is dropped",
    file: "bindings/node/nats.ts",
    replace: "`${topic} ${id}`",
    by: "id",
    tests: layout,
  },
  {
    name: "NATS: the server gives up what has tries left",
    file: "bindings/node/nats.ts",
    replace: "settings.maxDeliver && settings.maxDeliver - 1",
    by: "settings.maxDeliver",
    tests: trouble,
  },
  {
    name: "NATS: a consumer that is gone stays gone",
    file: pull,
    replace: "if (mending || stopping.signal.aborted) return;",
    by: "return;",
    tests: trouble,
  },
  {
    name: "NATS: what is published while the server is away is sent later",
    file: "bindings/node/_nats-link.ts",
    replace: "      await up.promise;\n",
    by: "",
    tests: trouble,
  },
  {
    name: "NATS: a durable consumer is taken from the topic that it serves",
    file: "bindings/node/_nats-consumer.ts",
    replace: "if (config.filter_subject !== topic) {",
    by: "if (config.filter_subject === undefined) {",
    tests: layout,
  },
];
