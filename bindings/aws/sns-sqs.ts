import type { Settings } from "../../src/contracts/component.ts";
import type { Host } from "../../src/contracts/host.ts";
import { type Batch, type PubSub, pubSub } from "../../src/contracts/pubsub.ts";
import { graceOf } from "../_lease.ts";
import { withAccount } from "./_aws-fields.ts";
import { createBroker, LIMIT_MS } from "./_sns-broker.ts";
import { MAX_ENTRIES, publish, publishBulk } from "./_sns-publish.ts";
import { checkSettings } from "./_sns-settings.ts";
import { sqsBatch } from "./_sqs-event.ts";
import { namedTopics, toIncoming } from "./_sqs-message.ts";
import type { inProcess } from "./_sqs-process.ts";

const fields = /* @__PURE__ */ withAccount({
  accountID: {
    type: "string",
    description:
      "Number of the account that the topics are in. Without it the first publish or subscription asks STS whose the credentials are.",
  },
  partition: {
    type: "string",
    description: "Partition in the ARNs of topics; without it the region's.",
  },
  fifo: {
    type: "boolean",
    default: false,
    description:
      "Topics and the queue keep the order of messages with one ordering key; their names end in `.fifo`.",
  },
  fifoMessageGroupID: {
    type: "string",
    description: "Ordering key of messages without one. Default: the consumerID.",
  },
  disableEntityManagement: {
    type: "boolean",
    default: false,
    description:
      "Make nothing on AWS: topics, queue and subscriptions must be there. Workers and Lambda functions never make anything.",
  },
  assetsManagementTimeoutSeconds: {
    type: "duration",
    default: 5,
    description: "How long looking for or making a topic, queue or subscription may take.",
  },
  messageVisibilityTimeout: {
    type: "duration",
    default: 10,
    description:
      "How long the queue waits for a process that pulls before it delivers a message again. A handler has a tenth less, at most a second. In a Lambda function it is the queue's own setting and the function's timeout.",
  },
  messageWaitTimeSeconds: {
    type: "number",
    default: 2,
    description:
      "Seconds, 1 to 20, that a process waits for messages at a time; stopping may wait as long.",
  },
  messageMaxNumber: {
    type: "number",
    default: 10,
    description:
      "Messages, 1 to 10, that a process receives at a time, and handlers of a topic at a time where neither the subscription nor concurrencyLimit says so. With `fifo` it receives one at a time.",
  },
  messageRetryLimit: {
    type: "number",
    default: 10,
    description:
      "Deliveries, at least 2, after which a process deletes a message that failed in an app without a policy. The last one is handled too, which Dapr does not do. In a Lambda function the queue's redrive policy ends messages.",
  },
  disableDeleteOnRetryLimit: {
    type: "boolean",
    default: false,
    description: "Deliver such a message again for as long as the queue keeps it.",
  },
  sqsDeadLettersQueueName: {
    type: "string",
    description: "Queue that SQS moves messages to which were received messageReceiveLimit times.",
  },
  messageReceiveLimit: {
    type: "number",
    description: "Deliveries before SQS moves a message to sqsDeadLettersQueueName.",
  },
  concurrencyMode: {
    type: "string",
    default: "parallel",
    description: "`parallel`, or `single` for one handler at a time in a process.",
  },
  concurrencyLimit: {
    type: "number",
    default: 0,
    description: "Handlers at a time in a process, of all topics together; 0: no limit of its own.",
  },
});

/**
 * Dapr's `pubsub.aws.snssqs`: a topic of SNS each, and one queue of SQS, named by the consumerID, for all topics of an app.
 * A process pulls from the queue, and makes what is missing unless `disableEntityManagement` says no; a Lambda function is
 * brought its messages by an event source mapping with `ReportBatchItemFailures`, without which Lambda takes every message
 * for handled. It is told the topic by SNS's envelope; raw delivery works for an app with one topic.
 * A topic keeps nothing: a dead-letter topic needs a queue that is subscribed to it, as an app's is that subscribes to the
 * topic, or what is buried there is gone.
 *
 * What it calls: to publish `sns:Publish`; in a function with delayed retries `sqs:ChangeMessageVisibility`; in a process
 * that pulls `sqs:ReceiveMessage`, `DeleteMessage`, `ChangeMessageVisibility`, `GetQueueUrl`, `GetQueueAttributes` and
 * `sns:GetTopicAttributes`, and with `disableEntityManagement` `sns:ListSubscriptionsByTopic`, without it `sns:CreateTopic`,
 * `TagResource`, `Subscribe` and `sqs:CreateQueue`, `TagQueue`, `SetQueueAttributes`.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.aws.snssqs",
  runsOn: ["node", "workers", "lambda"],
  fields,
  features: ({ fifo }) => (fifo ? ["BULK_PUBSUB", "ORDERING"] : ["BULK_PUBSUB"]),
  open: snsSqs,
});

type SnsSqsSettings = Settings<typeof fields> & { readonly consumerID: string };

function snsSqs(settings: SnsSqsSettings, host: Host, component: string): PubSub {
  checkSettings(settings, component);
  const broker = createBroker(settings, host, component);
  const pull = host.inProcess?.("pubsub.aws.snssqs") as typeof inProcess | undefined;
  const visibility = settings.messageVisibilityTimeout;
  return {
    maxBulkMessages: MAX_ENTRIES,
    processingTimeout: pull ? visibility - graceOf(visibility) : undefined,
    maxRetries: settings.messageReceiveLimit && settings.messageReceiveLimit - 1,
    maxRetriesSetting: "messageReceiveLimit",
    publish: (topic, message, call) => publish(broker, settings, topic, message, call),
    publishBulk: (topic, messages, call) => publishBulk(broker, settings, topic, messages, call),
    ...pull?.(broker, settings),
    // No Worker is ever brought one.
    accept: host.target === "workers" ? undefined : accept,
    native: (call) => ({
      sns: (operation: string, input: object) => broker.sns.run(operation, input, call, LIMIT_MS),
      sqs: (operation: string, input: object) => broker.sqs.run(operation, input, call, LIMIT_MS),
    }),
  };

  function accept(event: unknown, topics: readonly string[]): Batch | undefined {
    const named = namedTopics(topics, settings.fifo, component);
    return sqsBatch(event, broker.queue, component, broker.sqs, (message) =>
      toIncoming(message, named, settings.fifo),
    );
  }
}
