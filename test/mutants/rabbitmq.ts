import type { Mutant } from "./mutant.ts";

const consumer = "bindings/node/_rabbitmq-consumer.ts";
const copy = "bindings/node/_rabbitmq-copy.ts";
const line = "bindings/node/_rabbitmq-line.ts";
const trouble = ["test/node/rabbitmq-trouble.test.ts"];
const limit = ["test/node/rabbitmq-limit.test.ts"];
const layout = ["test/node/rabbitmq-layout.test.ts"];

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
    replace: "return (last ?? 1) + 1;",
    by: "return 2;",
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
    replace: "return countedOf(message) >= MOST_COUNTED;",
    by: "return countedOf(message) >= 21;",
    tests: limit,
  },
  {
    name: "RabbitMQ: a copy begins its count anew",
    file: copy,
    replace: "(beforeOf(message, queue)?.count ?? 0)",
    by: "0",
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
];
