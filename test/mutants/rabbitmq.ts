import type { Mutant } from "./mutant.ts";

const consumer = "bindings/node/_rabbitmq-consumer.ts";
const copy = "bindings/node/_rabbitmq-copy.ts";
const line = "bindings/node/_rabbitmq-line.ts";
const trouble = ["test/node/rabbitmq-trouble.test.ts"];
const limit = ["test/node/rabbitmq-limit.test.ts"];
const layout = ["test/node/rabbitmq-layout.test.ts"];
const budget = ["test/node/budget.test.ts"];

export const rabbitmq: readonly Mutant[] = [
  {
    name: "RabbitMQ: a message is acknowledged before it is handled",
    file: consumer,
    replace: "    const attempt = counts.attempt(message);\n",
    by: "    const attempt = counts.attempt(message);\n    from.ack(message);\n",
    tests: trouble,
  },
  {
    name: "RabbitMQ: a failed message is dropped, as daprd does",
    file: line,
    replace: "sent(() => channel.nack(message, false, true));",
    by: "sent(() => channel.nack(message, false, false));",
    tests: layout,
  },
  {
    name: "RabbitMQ: messages that wait to come again stand in the way",
    file: line,
    replace: "Math.min(1 + Math.ceil(held / prefetch), most)",
    by: "Math.min(1, most)",
    tests: layout,
  },
  {
    name: "RabbitMQ: deliveries are not counted",
    file: "bindings/node/_rabbitmq-message.ts",
    replace: "return last === undefined ? next : last + 1;",
    by: "return next;",
    tests: layout,
  },
  {
    name: "RabbitMQ: a refused publish is a success, as daprd's",
    file: "bindings/node/_rabbitmq-publisher.ts",
    replace: "(error ? reject(error) : resolve())",
    by: "resolve()",
    tests: trouble,
  },
  {
    name: "RabbitMQ: a queue that is gone stays gone",
    file: line,
    replace: "      lost();\n      return;\n",
    by: "      return;\n",
    tests: trouble,
  },
  {
    name: "RabbitMQ: a subscription ends with its connection",
    file: consumer,
    replace: '    channel.on("close", lost);\n',
    by: "",
    tests: trouble,
  },
  {
    name: "RabbitMQ: a message that the queue is about to give up stays as it is",
    file: copy,
    replace: ">= MOST_COUNTED;",
    by: ">= 21;",
    tests: limit,
  },
  {
    name: "RabbitMQ: a copy begins its count anew",
    file: copy,
    replace: "return beforeOf(message, name)?.count ?? 0;",
    by: "return 0;",
    tests: limit,
  },
  {
    name: "RabbitMQ: a copy goes to other queues too",
    file: copy,
    replace: "CC: ____, ...own",
    by: "...own",
    tests: limit,
  },
  {
    name: "RabbitMQ: a dead letter that nobody subscribed to is gone",
    file: "bindings/node/_rabbitmq-keeper.ts",
    replace: "if (await publisher.offer(topic, message, call)) return;",
    by: "if (await publisher.offer(topic, message, call).then(() => true)) return;",
    tests: layout,
  },
  {
    name: "RabbitMQ: a copy has its whole time to live",
    file: copy,
    replace: "beforeOf(message, queue)?.until ?? ends",
    by: "ends",
    tests: limit,
  },
  {
    name: "RabbitMQ: a queue of type classic counts for nobody",
    file: copy,
    replace: "return bounded && countedOf(message, queue) >= MOST_TOLD;",
    by: "return false;",
    tests: budget,
  },
  {
    name: "RabbitMQ: what comes again is published anew although nothing bounds it",
    file: copy,
    replace: "return bounded && countedOf(message, queue) >= MOST_TOLD;",
    by: "return countedOf(message, queue) >= MOST_TOLD;",
    tests: layout,
  },
  {
    name: "RabbitMQ: a message is acknowledged before its copy is there",
    file: line,
    replace: "    if (await options.renew(message)) {\n      ack(message);\n",
    by: "    ack(message);\n    if (await options.renew(message)) {\n",
    tests: limit,
  },
  {
    name: "RabbitMQ: a copy is handled before the other is acknowledged",
    file: line,
    replace: "renewing.size > 0 && options.isCopy(message)",
    by: "false",
    tests: budget,
  },
  {
    name: "RabbitMQ: a copy is handled before the server knows that the other is acknowledged",
    file: line,
    replace: "      await channel.prefetch(prefetch);\n",
    by: "",
    tests: budget,
  },
  {
    name: "RabbitMQ: a copy that the queue refused counts as taken",
    file: "bindings/node/_rabbitmq-publisher.ts",
    replace: 'return isRefusal(error) ? "refused" : "unknown";',
    by: 'return isRefusal(error) ? "taken" : "unknown";',
    tests: limit,
  },
  {
    name: "RabbitMQ: a copy without an answer is made again",
    file: consumer,
    replace: 'found === "unknown" || ',
    by: "",
    tests: limit,
  },
  {
    name: "RabbitMQ: a stop counts what waits in the process",
    file: consumer,
    replace: "spares: bounded && !queue.counts",
    by: "spares: false",
    tests: limit,
  },
];
