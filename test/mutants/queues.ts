import type { Mutant } from "./mutant.ts";

const tests = ["test/workers/queues-calls.test.ts"];
const component = "bindings/cloudflare/queues.ts";

export const queues: readonly Mutant[] = [
  {
    name: "Queues: a message is acknowledged that is to come again",
    file: component,
    replace: 'if (outcome?.is === "done") message.ack();',
    by: "if (outcome) message.ack();",
    tests,
  },
  {
    name: "Queues: a message comes again up to a second early",
    file: component,
    replace: "Math.min(Math.ceil(delay / 1000), MAX_DELAY_SECONDS)",
    by: "Math.min(Math.floor(delay / 1000), MAX_DELAY_SECONDS)",
    tests,
  },
  {
    name: "Queues: a publish succeeds that only some of the queues took",
    file: component,
    replace: "if (failed.length === 0) return undefined;",
    by: "if (failed.length < queues.size) return undefined;",
    tests,
  },
  {
    name: "Queues: a body that cannot be read is acknowledged",
    file: component,
    replace: "message.retry();\n      continue;",
    by: "message.ack();\n      continue;",
    tests,
  },
  {
    name: "Queues: every delivery is the first",
    file: component,
    replace: "attempt, deadline });",
    by: "attempt: attempt && 1, deadline });",
    tests,
  },
  {
    name: "Queues: a batch is larger than Cloudflare takes",
    file: component,
    replace: "last.size + size <= MAX_BATCH",
    by: "last.size <= MAX_BATCH",
    tests,
  },
  {
    name: "Queues: a topic goes to the queues of topics that begin as it does",
    file: "bindings/cloudflare/_queue-names.ts",
    replace: "name.startsWith(`${own}__`)",
    by: "name.startsWith(own)",
    tests,
  },
  {
    name: "Queues: a batch that nothing is subscribed to is acknowledged",
    file: "src/blocks/pubsub/push.ts",
    replace: "      giveBack();\n",
    by: "",
    tests,
  },
  {
    name: "Queues: a Worker loads with more retries than its queue makes",
    file: "src/blocks/pubsub/push.ts",
    replace: "checkRetries(opened, subscription);",
    by: "",
    tests,
  },
];
