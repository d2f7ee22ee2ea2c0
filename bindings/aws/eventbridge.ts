import type { Settings } from "../../src/contracts/component.ts";
import type { Call, Host } from "../../src/contracts/host.ts";
import {
  type Batch,
  type IncomingMessage,
  type OutgoingMessage,
  type PubSub,
  pubSub,
} from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";
import { withAccount } from "./_aws-fields.ts";
import { fault, faultOf } from "./_fault.ts";
import { ServiceFailure } from "./_service.ts";
import { asking, createSqs, LIMIT_MS } from "./_sns-broker.ts";
import { batchesOf, MAX_ENTRIES, textOfData } from "./_sns-publish.ts";
import { sqsBatch } from "./_sqs-event.ts";
import { createWire, jsonProtocol, type Wire } from "./_wire.ts";

const fields = /* @__PURE__ */ withAccount({
  eventBusName: {
    type: "string",
    default: "default",
    description: "Event bus that is published to, by its name or ARN.",
  },
  source: {
    type: "string",
    description: "Source of the events that are published. Default: the consumerID.",
  },
  queueName: {
    type: "string",
    description:
      "Queue that rules send events to for this app, whose messages Lambda brings: another than that of pubsub.aws.snssqs. Without it Lambda brings events that have the function itself for their target.",
  },
});

/**
 * Amazon EventBridge: a topic is a detail type. `publish` puts events on a bus, with the CloudEvent as their detail; a rule
 * of the bus brings events, of pillion and of anybody else, to a Lambda function: by a queue (`queueName`), with
 * `ReportBatchItemFailures` in its event source mapping, or by calling the function. A function that is called fails for an
 * event that is to come again, which Lambda then brings twice more, after times of its own and without counting:
 * `maxRetries` and delays need the queue.
 *
 * What it calls: to publish `events:PutEvents`; in a function with a queue and delayed retries
 * `sqs:ChangeMessageVisibility`.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.aws.eventbridge",
  runsOn: ["node", "workers", "lambda"],
  fields,
  features: () => ["BULK_PUBSUB"],
  open: eventBridge,
});

type EventBridgeSettings = Settings<typeof fields> & { readonly consumerID: string };

/** What is used of an event. */
interface BridgeEvent {
  readonly id: string;
  readonly "detail-type": string;
  readonly source: string;
  readonly detail: object;
  readonly [attribute: string]: unknown;
}

function eventBridge(settings: EventBridgeSettings, host: Host, component: string): PubSub {
  const protocol = jsonProtocol({
    label: "EventBridge",
    service: "events",
    target: "AWSEvents",
    version: "1.1",
  });
  const events = createWire(protocol, settings, host, component);
  const sqs = createSqs(settings, host, component);
  const publisher = createPublisher(events, settings, component);
  return {
    ...publisher,
    // No Worker is ever brought one.
    accept:
      host.target === "workers"
        ? undefined
        : (event, topics) => accept(event, topics, settings.queueName, component, sqs),
    init: async () => void events.scope(),
    native: (call) => (operation: string, input: object) =>
      events.run(operation, input, call, LIMIT_MS),
  };
}

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
}

interface Put {
  readonly Entries: readonly { readonly ErrorCode?: string; readonly ErrorMessage?: string }[];
}

function createPublisher(events: Wire, settings: EventBridgeSettings, component: string) {
  const { eventBusName: EventBusName, source, consumerID } = settings;
  return { maxBulkMessages: MAX_ENTRIES, publish, publishBulk };

  async function publish(topic: string, message: OutgoingMessage, call: Call): Promise<void> {
    const [error] = await put([entryOf(topic, message)], call);
    if (error) throw error;
  }

  async function publishBulk(topic: string, messages: readonly OutgoingMessage[], call: Call) {
    const outcomes: (ComponentError | undefined)[] = new Array(messages.length).fill(undefined);
    const entries: { index: number; entry: Entry }[] = [];
    const fail = (index: number, error: unknown) => {
      if (!ComponentError.is(error)) throw error;
      outcomes[index] = error;
    };
    for (const [index, message] of messages.entries()) {
      try {
        entries.push({ index, entry: entryOf(topic, message) });
      } catch (error) {
        fail(index, error);
      }
    }
    for (const batch of batchesOf(entries, ({ entry }) => entry.Detail)) {
      const sent = put(
        batch.map(({ entry }) => entry),
        call,
      );
      const errors = await sent.catch((error: unknown) => batch.map(() => error));
      for (const [place, { index }] of batch.entries()) {
        if (errors[place]) fail(index, errors[place]);
      }
    }
    return outcomes;
  }

  /** One finding per entry: a refused one does not make the answer an error. */
  async function put(Entries: readonly Entry[], call: Call) {
    const answer = await asking(component, "EventBridge", `bus ${EventBusName}`, () =>
      events.run("PutEvents", { Entries }, call, LIMIT_MS),
    );
    return (answer as Put).Entries.map(({ ErrorCode, ErrorMessage = "" }) => {
      if (!ErrorCode) return undefined;
      const status = /^(Internal|ServiceUnavailable)/.test(ErrorCode) ? 500 : 400;
      const failure = new ServiceFailure(ErrorCode, ErrorMessage, { status });
      return faultOf(failure, component, "EventBridge", `bus ${EventBusName}`);
    });
  }

  function entryOf(topic: string, { data }: OutgoingMessage): Entry {
    const Detail = textOfData(data, component);
    if (!isJsonObject(Detail)) {
      const text = "the detail of an event is a JSON object, which this payload is not";
      throw fault("invalid", component, text, undefined);
    }
    return { EventBusName, Source: source || consumerID, DetailType: topic, Detail };
  }
}

function accept(
  event: unknown,
  topics: readonly string[],
  queue: string | undefined,
  component: string,
  sqs: Wire,
): Batch | undefined {
  if (isBridgeEvent(event)) {
    const { id, "detail-type": topic } = event;
    if (!topics.includes(topic)) return undefined;
    return {
      messages: [incoming(event, id, 1)],
      settle([outcome]) {
        if (outcome?.is === "done") return undefined;
        throw new Error(
          `event ${id} of topic ${topic} was not handled: Lambda is to bring it again`,
        );
      },
    };
  }
  if (!queue) return undefined;
  return sqsBatch(event, queue, component, sqs, ({ id, body, count }) => {
    const queued = parsed(body);
    if (isBridgeEvent(queued)) return incoming(queued, id, count);
    // Nobody subscribes to "", and so it stays in the queue.
    return { id, topic: "", data: body, metadata: {}, attempt: count };
  });
}

function incoming(event: BridgeEvent, id: string, attempt: number): IncomingMessage {
  const { "detail-type": topic, detail } = event;
  const metadata: Record<string, string> = {};
  for (const name of ["id", "source", "account", "time", "region"]) {
    if (typeof event[name] === "string") metadata[name] = event[name];
  }
  return { id, topic, data: JSON.stringify(detail), metadata, attempt };
}

function isBridgeEvent(value: unknown): value is BridgeEvent {
  if (typeof value !== "object" || value === null) return false;
  const { id, source, detail, "detail-type": type } = value as Partial<BridgeEvent>;
  const texts = [id, source, type].every((text) => typeof text === "string");
  return texts && typeof detail === "object" && detail !== null;
}

function isJsonObject(text: string): boolean {
  const value = parsed(text);
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
