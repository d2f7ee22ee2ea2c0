import type { Call } from "../../src/contracts/host.ts";
import { fault } from "./_fault.ts";
import { asking, type Broker, isMissing } from "./_sns-broker.ts";
import { entityName, howToDeclare, nameInArn } from "./_topic-name.ts";

export interface Queue {
  readonly url: string;
  readonly arn: string;
}

export interface RedriveSettings {
  readonly sqsDeadLettersQueueName: string | undefined;
  readonly messageReceiveLimit: number | undefined;
}

interface Attributes {
  readonly QueueArn: string;
  readonly Policy?: string;
  readonly RedrivePolicy?: string;
}

/** Looks for a queue, and makes one that is missing where the component may: as Dapr does, with its tag. */
async function ensureQueue(broker: Broker, name: string, call: Call): Promise<string> {
  const { component, fifo, limit, sqs } = broker;
  return asking(component, "SQS", `queue ${name}`, async () => {
    const found = await queueUrl(broker, name, call);
    if (found !== undefined) return found;
    if (!broker.manages) {
      throw fault("config", component, howToDeclare("SQS::Queue", name, fifo, true), undefined);
    }
    const answer = await sqs.run(
      "CreateQueue",
      {
        QueueName: name,
        tags: { "dapr-queue-name": name },
        ...(fifo && { Attributes: { FifoQueue: "true", ContentBasedDeduplication: "true" } }),
      },
      call,
      limit,
    );
    return (answer as { QueueUrl: string }).QueueUrl;
  });
}

/** Undefined for a queue that is not there. Throws `ServiceFailure`. */
export async function queueUrl(
  { sqs, limit }: Broker,
  name: string,
  call: Call,
): Promise<string | undefined> {
  try {
    const answer = await sqs.run("GetQueueUrl", { QueueName: name }, call, limit);
    return (answer as { QueueUrl: string }).QueueUrl;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Lets the topic send to the queue, and has the queue put away what was received too often. */
export async function ensureQueueFor(
  broker: Broker,
  settings: RedriveSettings,
  topicArn: string,
  call: Call,
): Promise<Queue> {
  const url = await ensureQueue(broker, broker.queue, call);
  const { QueueArn, Policy, RedrivePolicy } = await attributesOf(broker, url, call);
  const { sqsDeadLettersQueueName: letters, messageReceiveLimit: most } = settings;
  if (!broker.manages) return { url, arn: QueueArn };
  const changes: { Policy?: string; RedrivePolicy?: string } = {};
  const policy = policyWith(Policy, QueueArn, topicArn);
  if (policy !== Policy) changes.Policy = policy;
  if (letters) {
    const lettersUrl = await ensureQueue(broker, entityName(letters, broker.fifo), call);
    const target = (await attributesOf(broker, lettersUrl, call)).QueueArn;
    if (!redrives(RedrivePolicy, target, most)) {
      const redrive = { deadLetterTargetArn: target, maxReceiveCount: String(most) };
      changes.RedrivePolicy = JSON.stringify(redrive);
    }
  }
  if (Object.keys(changes).length > 0) await setAttributes(broker, url, changes, call);
  return { url, arn: QueueArn };
}

async function attributesOf(broker: Broker, QueueUrl: string, call: Call): Promise<Attributes> {
  const input = { QueueUrl, AttributeNames: ["QueueArn", "Policy", "RedrivePolicy"] };
  const answer = await asking(broker.component, "SQS", `queue ${broker.queue}`, () =>
    broker.sqs.run("GetQueueAttributes", input, call, broker.limit),
  );
  return (answer as { Attributes: Attributes }).Attributes;
}

async function setAttributes(broker: Broker, QueueUrl: string, Attributes: object, call: Call) {
  await asking(broker.component, "SQS", `queue ${broker.queue}`, () =>
    broker.sqs.run("SetQueueAttributes", { QueueUrl, Attributes }, call, broker.limit),
  );
}

interface Statement {
  readonly Resource?: unknown;
  readonly Condition?: { readonly ArnEquals?: Readonly<Record<string, unknown>> };
}

/** The queue's policy with Dapr's statement for the topic in it. What others wrote there stays as it is. */
function policyWith(text: string | undefined, queueArn: string, topicArn: string): string {
  const policy = text ? (JSON.parse(text) as { Statement?: Statement | Statement[] }) : {};
  const statements = [policy.Statement ?? []].flat();
  const allows = ({ Resource, Condition }: Statement) =>
    Resource === queueArn && [Condition?.ArnEquals?.["aws:SourceArn"]].flat().includes(topicArn);
  if (text && statements.some(allows)) return text;
  const added = {
    Effect: "Allow",
    Principal: { Service: "sns.amazonaws.com" },
    Action: "sqs:SendMessage",
    Resource: queueArn,
    Condition: { ArnEquals: { "aws:SourceArn": topicArn } },
  };
  return JSON.stringify({ Version: "2012-10-17", ...policy, Statement: [...statements, added] });
}

function redrives(text: string | undefined, target: string, most: number | undefined): boolean {
  if (!text) return false;
  const policy = JSON.parse(text) as { deadLetterTargetArn?: string; maxReceiveCount?: unknown };
  return policy.deadLetterTargetArn === target && Number(policy.maxReceiveCount) === most;
}

/** The URL of a queue as its ARN names it: the same that the service would answer. */
export function urlInArn({ origin }: URL, arn: string): string {
  return `${origin}/${arn.split(":").at(-2)}/${nameInArn(arn)}`;
}
