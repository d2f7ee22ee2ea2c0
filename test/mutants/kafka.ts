import type { Mutant } from "./mutant.ts";

const line = "bindings/node/_kafka-line.ts";
const tests = ["test/node/kafka-trouble.test.ts"];

export const kafka: readonly Mutant[] = [
  {
    name: "Kafka: an event in binary mode is none",
    file: "src/blocks/pubsub/deliver.ts",
    replace: "{ ...given, data: event }",
    by: "{ ...given, event }",
    tests: ["test/node/kafka-layout.test.ts"],
  },
  {
    name: "Kafka: a raw payload in binary mode is wrapped",
    file: "src/blocks/pubsub/deliver.ts",
    replace: "event === undefined || subscription.options.rawPayload",
    by: "event === undefined",
    tests: ["test/node/kafka-layout.test.ts"],
  },
  {
    name: "Kafka: a record is committed past that is to come again",
    file: line,
    replace: "for (const oldest of open) return oldest;",
    by: "",
    tests,
  },
  {
    name: "Kafka: a record counts as handled that is to come again",
    file: line,
    replace: 'if (outcome.is === "retry") {',
    by: 'if (outcome.is !== "retry" && outcome.is !== "done") {',
    tests,
  },
  {
    name: "Kafka: a record goes past another with its key",
    file: line,
    replace: "if (!behind) {",
    by: "if (keys) {",
    tests,
  },
  {
    name: "Kafka: a handler is not told that its partition is another's",
    file: line,
    replace: "ended.abort();\n      lost.abort();",
    by: "ended.abort();",
    tests,
  },
  {
    name: "Kafka: a new group begins at the other end",
    file: "bindings/node/_kafka-positions.ts",
    replace: "String(oldest ? low : high)",
    by: "String(oldest ? high : low)",
    tests,
  },
  {
    name: "Kafka: stopping commits what is still to come again",
    file: "bindings/node/_kafka-run.ts",
    replace: "partition, line, offset: line.done }))",
    by: "partition, line, offset: line.next }))",
    tests,
  },
  {
    name: "Kafka: a key goes to another partition than Dapr's driver takes",
    file: "bindings/node/_kafka-message.ts",
    replace: "Math.abs((hash | 0) % count)",
    by: "(hash >>> 0) % count",
    tests: ["test/node/kafka-layout.test.ts"],
  },
  {
    name: "Kafka: a handler has no limit",
    file: "bindings/node/kafka.ts",
    replace: "processingTimeout: settings.processingTimeout,",
    by: "",
    tests,
  },
];
