import type { Call } from "../../src/contracts/host.ts";
import { fault } from "./_fault.ts";
import { partsOf, textOf } from "./_query.ts";
import { ServiceFailure } from "./_service.ts";
import { asking, type Broker, isMissing } from "./_sns-broker.ts";
import { entityName, howToDeclare, nameInArn } from "./_topic-name.ts";

/** As Dapr does, tag and attributes included, so that either takes what the other made for its own. */
async function createTopic(broker: Broker, topic: string, call: Call): Promise<void> {
  const Name = entityName(topic, broker.fifo);
  const Attributes = broker.fifo && {
    "entry.1": { key: "FifoTopic", value: "true" },
    "entry.2": { key: "ContentBasedDeduplication", value: "true" },
  };
  const Tags = [{ Key: "dapr-topic-name", Value: Name }];
  const input = { Name, Tags, ...(Attributes && { Attributes }) };
  await broker.sns.run("CreateTopic", input, call, broker.limit);
}

/** Makes the topic that `error` says is missing, where the component may; else throws what to do about it. */
export async function makeMissing(
  broker: Broker,
  topic: string,
  error: unknown,
  call: Call,
): Promise<void> {
  if (!isMissing(error)) throw error;
  if (broker.manages) return createTopic(broker, topic, call);
  throw fault("config", broker.component, howToDeclareTopic(broker, topic), error);
}

/** Looks for a topic, and makes one that is missing where the component may. */
export async function ensureTopic(broker: Broker, topic: string, call: Call): Promise<string> {
  const { sns, component, limit } = broker;
  const TopicArn = await broker.topicArn(topic, call);
  await asking(component, "SNS", `topic ${topic}`, async () => {
    try {
      await sns.run("GetTopicAttributes", { TopicArn }, call, limit);
    } catch (error) {
      await makeMissing(broker, topic, error, call);
    }
  });
  return TopicArn;
}

/** Has the topic's messages go to the queue; where the component makes nothing, looks whether they do. */
export async function ensureSubscription(
  broker: Broker,
  topic: string,
  TopicArn: string,
  Endpoint: string,
  call: Call,
): Promise<void> {
  const { sns, component, limit } = broker;
  await asking(component, "SNS", `the subscription to topic ${topic}`, async () => {
    if (!broker.manages) {
      if (await isSubscribed(broker, TopicArn, Endpoint, call)) return;
      const text = `topic ${topic} does not go to the queue ${nameInArn(Endpoint)}: subscribe the one to the other (protocol sqs), or leave disableEntityManagement out`;
      throw fault("config", component, text, undefined);
    }
    try {
      await sns.run("Subscribe", { TopicArn, Protocol: "sqs", Endpoint }, call, limit);
    } catch (error) {
      // Somebody made it with raw delivery or a filter, which is theirs to say.
      if (ServiceFailure.is(error) && /already exists/i.test(error.message)) return;
      throw error;
    }
  });
}

async function isSubscribed(broker: Broker, TopicArn: string, endpoint: string, call: Call) {
  let NextToken: string | undefined;
  do {
    const input = { TopicArn, NextToken };
    const xml = String(await broker.sns.run("ListSubscriptionsByTopic", input, call, broker.limit));
    const found = partsOf(xml, "member").some((part) => textOf(part, "Endpoint") === endpoint);
    if (found) return true;
    NextToken = textOf(xml, "NextToken");
  } while (NextToken);
  return false;
}

function howToDeclareTopic({ fifo, host }: Broker, topic: string): string {
  return howToDeclare("SNS::Topic", entityName(topic, fifo), fifo, host.target === "node");
}
