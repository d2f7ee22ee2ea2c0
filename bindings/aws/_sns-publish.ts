import type { Call } from "../../src/contracts/host.ts";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { fault, faultOf } from "./_fault.ts";
import { partsOf, textOf } from "./_query.ts";
import { ServiceFailure } from "./_service.ts";
import { asking, type Broker, LIMIT_MS } from "./_sns-broker.ts";
import { makeMissing } from "./_sns-topic.ts";

/** The most bytes of messages in one request. */
export const MAX_BATCH = 262_144;
export const MAX_ENTRIES = 10;

export interface PublishSettings {
  readonly consumerID: string;
  readonly fifoMessageGroupID: string | undefined;
}

export async function publish(
  broker: Broker,
  settings: PublishSettings,
  topic: string,
  message: OutgoingMessage,
  call: Call,
): Promise<void> {
  const entry = entryOf(broker, settings, message);
  await toTopic(broker, topic, call, "Publish", entry);
}

export async function publishBulk(
  broker: Broker,
  settings: PublishSettings,
  topic: string,
  messages: readonly OutgoingMessage[],
  call: Call,
): Promise<(ComponentError | undefined)[]> {
  const outcomes: (ComponentError | undefined)[] = new Array(messages.length).fill(undefined);
  const entries: Entry[] = [];
  for (const [index, message] of messages.entries()) {
    try {
      entries.push({ Id: String(index), ...entryOf(broker, settings, message) });
    } catch (error) {
      outcomes[index] = findingOf(error);
    }
  }
  for (const batch of batchesOf(entries, ({ Message }) => Message)) {
    const input = { PublishBatchRequestEntries: batch };
    try {
      const xml = String(await toTopic(broker, topic, call, "PublishBatch", input));
      for (const [id, error] of failuresIn(xml, broker, topic)) outcomes[Number(id)] = error;
    } catch (error) {
      for (const { Id } of batch) outcomes[Number(Id)] = findingOf(error);
    }
  }
  return outcomes;
}

interface Entry {
  readonly Id?: string;
  readonly Message: string;
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
}

function entryOf(
  { fifo, host, component }: Broker,
  { fifoMessageGroupID, consumerID }: PublishSettings,
  { data, orderingKey }: OutgoingMessage,
): Entry {
  const Message = textOfData(data, component);
  if (!fifo) return { Message };
  return {
    Message,
    MessageGroupId: orderingKey ?? (fifoMessageGroupID || consumerID),
    // By their contents SNS would take two equal payloads for one, and the queue one event of two topics.
    MessageDeduplicationId: host.random.uuid(),
  };
}

/** Throws "invalid" for bytes that are no text, which neither service takes. */
export function textOfData(data: string | Uint8Array, component: string): string {
  if (typeof data === "string") return data;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch (cause) {
    const text = "its messages are text, and these bytes are none: publish them without rawPayload";
    throw fault("invalid", component, text, cause);
  }
}

/** At most 10 in each, and no more bytes than a request takes. One that is too large is alone, and for the service to refuse. */
export function batchesOf<E>(entries: readonly E[], text: (entry: E) => string): E[][] {
  const batches: E[][] = [];
  let room = 0;
  for (const entry of entries) {
    const size = new TextEncoder().encode(text(entry)).length;
    let last = batches.at(-1);
    if (!last || last.length === MAX_ENTRIES || size > room) {
      last = [];
      batches.push(last);
      room = MAX_BATCH;
    }
    last.push(entry);
    room -= size;
  }
  return batches;
}

/** Sends; a topic that is missing is made where the component may, and else named in the error. */
async function toTopic(
  broker: Broker,
  topic: string,
  call: Call,
  operation: "Publish" | "PublishBatch",
  input: object,
): Promise<unknown> {
  const TopicArn = await broker.topicArn(topic, call);
  const send = () => broker.sns.run(operation, { TopicArn, ...input }, call, LIMIT_MS);
  return asking(broker.component, "SNS", `topic ${topic}`, async () => {
    try {
      return await send();
    } catch (error) {
      await makeMissing(broker, topic, error, call);
      return send();
    }
  });
}

function failuresIn(xml: string, { component }: Broker, topic: string): [string, ComponentError][] {
  const failed = partsOf(xml, "Failed").flatMap((part) => partsOf(part, "member"));
  return failed.map((part) => {
    // The service's own fault may pass, the sender's does not.
    const status = textOf(part, "SenderFault") === "true" ? 400 : 500;
    const code = textOf(part, "Code") ?? "UnknownError";
    const failure = new ServiceFailure(code, textOf(part, "Message") ?? code, { status });
    return [textOf(part, "Id") ?? "", faultOf(failure, component, "SNS", `topic ${topic}`)];
  });
}

function findingOf(error: unknown): ComponentError {
  if (ComponentError.is(error)) return error;
  // The caller has gone: whether the service has it, nobody knows.
  return new ComponentError("unavailable", "the call was aborted", { cause: error });
}
