import type { IncomingMessage } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { entityName, nameInArn } from "./_topic-name.ts";

/** A message of SQS, whether it was fetched or brought. */
export interface SqsMessage {
  readonly id: string;
  readonly handle: string;
  readonly body: string;
  /** `ApproximateReceiveCount`. */
  readonly count: number;
  readonly group: string | undefined;
}

/** The topics of an app by their names on AWS. Throws "config" for two that have one name there. */
export function namedTopics(
  topics: readonly string[],
  fifo: boolean,
  component: string,
): Map<string, string> {
  const named = new Map<string, string>();
  for (const topic of topics) {
    const name = entityName(topic, fifo);
    const other = named.get(name);
    if (other !== undefined && other !== topic) throw sameName(component, topic, other, name);
    named.set(name, topic);
  }
  return named;
}

export function sameName(component: string, topic: string, other: string, name: string) {
  return new ComponentError(
    "config",
    `component ${component}: the topics ${topic} and ${other} are both ${name} on AWS: rename one`,
  );
}

/**
 * The message with its topic: the one that SNS's envelope names, and for a body without one, which raw delivery and
 * whoever sends to the queue itself leave, the only topic that the app has on its queue.
 */
export function toIncoming(
  { id, body, count, group }: SqsMessage,
  named: ReadonlyMap<string, string>,
  fifo: boolean,
): IncomingMessage {
  const envelope = envelopeOf(body);
  const name = envelope ? nameInArn(envelope.TopicArn) : onlyName(named);
  return {
    id,
    topic: named.get(name) ?? name,
    data: envelope ? envelope.Message : body,
    metadata: {},
    attempt: count,
    // A group of a queue without order is for a fair share alone.
    orderingKey: fifo ? group : undefined,
  };
}

interface Envelope {
  readonly Type: string;
  readonly TopicArn: string;
  readonly Message: string;
}

function envelopeOf(body: string): Envelope | undefined {
  // Most bodies that are none are told from one by this alone.
  if (!body.includes('"TopicArn"')) return undefined;
  try {
    const { Type, TopicArn, Message } = JSON.parse(body) as Envelope;
    const texts = typeof TopicArn === "string" && typeof Message === "string";
    return Type === "Notification" && texts ? { Type, TopicArn, Message } : undefined;
  } catch {
    return undefined;
  }
}

/** `""`, which no topic is called, where there are several. */
function onlyName(named: ReadonlyMap<string, string>): string {
  const [name = "", ...others] = named.keys();
  return others.length === 0 ? name : "";
}
