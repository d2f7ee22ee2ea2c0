import type { Mutant } from "./mutant.ts";

const process = ["test/aws/sns-sqs.test.ts"];
const lambda = ["test/targets/lambda-queue.test.ts"];
const bridge = ["test/aws/eventbridge.test.ts"];
const line = "bindings/aws/_sqs-line.ts";
const event = "bindings/aws/_sqs-event.ts";

export const snsSqs: readonly Mutant[] = [
  {
    name: "SNS/SQS: a Worker waits for messages that nobody brings",
    file: "bindings/aws/sns-sqs.ts",
    replace: 'host.target === "workers" ? undefined : accept',
    by: "accept",
    tests: ["test/workers/queues-calls.test.ts"],
  },
  {
    name: "SNS/SQS: a component that is closed leaves what it pulled",
    file: "bindings/aws/_sqs-process.ts",
    replace: "close: async () => (await loaded)?.close(),",
    by: "close: async () => undefined,",
    tests: process,
  },
  {
    name: "SNS/SQS: settings that only a process reads are not looked at",
    file: "bindings/aws/_sqs-process.ts",
    replace: "checkPulling(broker, settings);",
    by: "",
    tests: process,
  },
  {
    name: "SNS/SQS: a message is deleted before it is handled",
    file: line,
    replace: "    await before;\n",
    by: "    await before;\n    await remove(held);\n",
    tests: process,
  },
  {
    name: "SNS/SQS: the last delivery that is allowed is not handled, as daprd's",
    file: line,
    replace: "    await before;\n",
    by: "    await before;\n    if (isSpent(held)) return remove(held);\n",
    tests: process,
  },
  {
    name: "SNS/SQS: a message that failed is deleted where nothing says when",
    file: line,
    replace: "if (disableDeleteOnRetryLimit || sqsDeadLettersQueueName) return false;",
    by: "if (disableDeleteOnRetryLimit && sqsDeadLettersQueueName) return false;",
    tests: process,
  },
  {
    name: "SNS/SQS: what a process has when it stops is kept from the next one",
    file: line,
    replace: "if (routes.get(route.name) !== route) return giveBack([held]);",
    by: "",
    tests: process,
  },
  {
    name: "SNS/SQS: a handler has as long as the queue waits, and what follows it has no time",
    file: line,
    replace: "while (clock.now() < until) {",
    by: "while (clock.now() < until && until > 1e15) {",
    tests: process,
  },
  {
    name: "SNS/SQS: a message is kept from others after its delivery",
    file: line,
    replace: "    await kept.end();\n",
    by: "",
    tests: process,
  },
  {
    name: "SNS/SQS: a topic takes the place of another in the queue's policy",
    file: "bindings/aws/_sqs-queue.ts",
    replace: "Statement: [...statements, added]",
    by: "Statement: [added]",
    tests: process,
  },
  {
    name: "SNS/SQS: a function makes topics",
    file: "bindings/aws/_sns-broker.ts",
    replace: `host.target === "node" && !settings.disableEntityManagement`,
    by: "!settings.disableEntityManagement",
    tests: process,
  },
  {
    name: "SNS/SQS: an entry of a bulk that was refused is taken for published",
    file: "bindings/aws/_sns-publish.ts",
    replace: "outcomes[Number(id)] = error;",
    by: "outcomes[Number(id)] ??= error && undefined;",
    tests: process,
  },
  {
    name: "Lambda: a message that failed is acknowledged with the others of its batch",
    file: event,
    replace: `outcomes[index]?.is === "retry");`,
    by: `outcomes[index] === undefined);`,
    tests: lambda,
  },
  {
    name: "Lambda: a failure fails its whole batch",
    file: event,
    replace: `outcomes[index]?.is === "retry");`,
    by: `outcomes.some(({ is }) => is === "retry") || outcomes[index]);`,
    tests: lambda,
  },
  {
    name: "Lambda: a message that failed comes again when the queue likes",
    file: event,
    replace: "if (late.length > 0 &&",
    by: "if (late.length < 0 &&",
    tests: lambda,
  },
  {
    name: "Lambda: a delay that the queue refused is nobody's to know",
    file: event,
    replace: "hidden.catch(() => call.waitUntil(hidden));",
    by: "hidden.catch(() => undefined);",
    tests: lambda,
  },
  {
    name: "Lambda: the process ends under a handler that never does",
    file: "targets/lambda/invocation.ts",
    replace: "setTimeout(abort, timeLeft(this.deadline));",
    by: "setTimeout(abort, timeLeft(this.deadline)).unref();",
    tests: lambda,
  },
  {
    name: "EventBridge: an event that was not handled is taken for handled",
    file: "bindings/aws/eventbridge.ts",
    replace: `if (outcome?.is === "done") return undefined;`,
    by: "if (outcome) return undefined;",
    tests: bridge,
  },
  {
    name: "EventBridge: a refused entry is hidden by the answer's success",
    file: "bindings/aws/eventbridge.ts",
    replace: "if (!ErrorCode) return undefined;",
    by: "if (ErrorCode !== null) return undefined;",
    tests: bridge,
  },
];
