import type { AddressInfo } from "node:net";
import { buildApp } from "fauxqs";
import type { Outcome } from "./lambda.ts";

/** Where the topics and queues are. */
export const REGION = "us-east-1";

/** SNS and SQS of npm's fauxqs, in this process and on the loopback: its own server would listen everywhere. */
export interface SnsSqs {
  readonly endpoint: string;
  /** Makes topics that lie in one queue, which gives up a message after `receives` deliveries. */
  createTopics(topics: readonly string[], queue: string, receives: number): Promise<Queue>;
  stop(): Promise<void>;
}

export interface Queue {
  readonly url: string;
  readonly arn: string;
  /** Names to ARNs. */
  readonly topics: Readonly<Record<string, string>>;
}

export async function startSnsSqs(): Promise<SnsSqs> {
  const app = buildApp({ logger: false });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const endpoint = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return { endpoint, createTopics, stop: () => app.close() };

  async function createTopics(topics: readonly string[], queue: string, receives: number) {
    const dead = await createQueue(`${queue}-dead`, {});
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: dead.arn,
      maxReceiveCount: receives,
    });
    const { url, arn } = await createQueue(queue, { RedrivePolicy, VisibilityTimeout: "10" });
    const made: Record<string, string> = {};
    for (const topic of topics) {
      made[topic] = textIn(await sns(endpoint, { Action: "CreateTopic", Name: topic }), "TopicArn");
      const subscription = { TopicArn: made[topic], Protocol: "sqs", Endpoint: arn };
      await sns(endpoint, { Action: "Subscribe", ...subscription });
    }
    return { url, arn, topics: made };
  }

  async function createQueue(QueueName: string, Attributes: Record<string, string>) {
    const { QueueUrl } = await sqs(endpoint, "CreateQueue", { QueueName, Attributes });
    const asked = { QueueUrl, AttributeNames: ["QueueArn"] };
    const found = await sqs(endpoint, "GetQueueAttributes", asked);
    return { url: QueueUrl as string, arn: (found.Attributes as { QueueArn: string }).QueueArn };
  }
}

export interface Source {
  stop(): Promise<void>;
}

/**
 * Lambda's event source mapping of a queue with `ReportBatchItemFailures`: brings up to ten messages at a time, deletes
 * those that the function did not report, and all or none where it answered no list or failed.
 */
export function startSource(
  endpoint: string,
  { url: QueueUrl, arn: eventSourceARN }: Queue,
  invoke: (event: unknown) => Promise<Outcome>,
): Source {
  let stopped = false;
  const polling = poll();
  return {
    async stop() {
      stopped = true;
      await polling;
    },
  };

  async function poll(): Promise<void> {
    while (!stopped) {
      const asked = { MaxNumberOfMessages: 10, WaitTimeSeconds: 1, AttributeNames: ["All"] };
      const { Messages = [] } = await sqs(endpoint, "ReceiveMessage", { QueueUrl, ...asked });
      const messages = Messages as Message[];
      if (messages.length === 0) continue;
      const outcome = await invoke({ Records: messages.map(toRecord) });
      for (const { ReceiptHandle } of handled(messages, outcome)) {
        await sqs(endpoint, "DeleteMessage", { QueueUrl, ReceiptHandle });
      }
    }
  }

  function toRecord({ MessageId, ReceiptHandle, Body, Attributes, MD5OfBody }: Message) {
    return {
      messageId: MessageId,
      receiptHandle: ReceiptHandle,
      body: Body,
      attributes: Attributes,
      messageAttributes: {},
      md5OfBody: MD5OfBody,
      eventSource: "aws:sqs",
      eventSourceARN,
      awsRegion: REGION,
    };
  }
}

interface Message {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly MD5OfBody: string;
  readonly Attributes: Readonly<Record<string, string>>;
}

function handled(messages: readonly Message[], { error, payload }: Outcome): readonly Message[] {
  if (error) return [];
  const { batchItemFailures = [] } = (payload ?? {}) as {
    batchItemFailures?: readonly { itemIdentifier: string }[];
  };
  const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  return messages.filter(({ MessageId }) => !failed.has(MessageId));
}

const authorization = `AWS4-HMAC-SHA256 Credential=local/20260101/${REGION}/sqs/aws4_request`;

async function sqs(endpoint: string, action: string, body: object) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      authorization,
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": `AmazonSQS.${action}`,
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${action}: ${response.status} ${text}`);
  return (text ? JSON.parse(text) : {}) as Record<string, unknown>;
}

async function sns(endpoint: string, parameters: Record<string, string>): Promise<string> {
  const body = new URLSearchParams({ Version: "2010-03-31", ...parameters });
  const headers = { authorization: authorization.replace("/sqs/", "/sns/") };
  const response = await fetch(endpoint, { method: "POST", headers, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${parameters.Action}: ${response.status} ${text}`);
  return text;
}

function textIn(xml: string, tag: string): string {
  const found = new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(xml)?.[1];
  if (!found) throw new Error(`no ${tag} in ${xml}`);
  return found;
}
