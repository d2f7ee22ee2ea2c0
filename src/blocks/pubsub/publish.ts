import type { Call } from "../../contracts/host.ts";
import type { OutgoingMessage } from "../../contracts/pubsub.ts";
import { ApiError, ComponentError, type KeyFailure, messageOf } from "../../errors.ts";
import { parallel } from "../parallel.ts";
import type { BulkEntry, EventAttributes, PublishOptions } from "./api.ts";
import { buildEnvelope, CLOUD_EVENT, type Payload, passEnvelope } from "./envelope.ts";
import { pubsubError, toPubSubError } from "./errors.ts";
import { need, type OpenedPubSub, perform } from "./handle.ts";
import { lanesOf } from "./lanes.ts";
import { carriageOf, mediaType } from "./media.ts";
import { asked, seconds } from "./metadata.ts";
import { parseAsWritten } from "./numbers.ts";
import { checkScopes } from "./scopes.ts";

/** Dapr's number of single publishes at a time where the broker has no bulk of its own. */
const PARALLELISM = 100;

export function publish(
  opened: OpenedPubSub,
  call: Call,
  topic: string,
  data: unknown,
  options: PublishOptions = {},
): Promise<void> {
  return perform(opened, call, "publish", topic, () => {
    checkTopic(opened, topic);
    return opened.instance.publish(topic, toMessage(opened, call, topic, data, options), call);
  });
}

export function publishBulk(
  opened: OpenedPubSub,
  call: Call,
  topic: string,
  entries: readonly BulkEntry[],
): Promise<void> {
  return perform(opened, call, "publishBulk", topic, async () => {
    checkTopic(opened, topic);
    const failures: (ApiError | undefined)[] = new Array(entries.length);
    const messages: Numbered[] = [];
    for (const [index, entry] of entries.entries()) {
      try {
        messages.push([index, toMessage(opened, call, topic, entry.data, entry)]);
      } catch (cause) {
        failures[index] = toPubSubError(opened.name, topic, cause);
      }
    }
    await sendAll(opened, call, topic, messages, (index, cause) => {
      failures[index] = toPubSubError(opened.name, topic, cause);
    });
    const failed: KeyFailure[] = [];
    for (const [index, error] of failures.entries()) {
      if (error) failed.push({ key: entries[index]?.entryId ?? String(index), error });
    }
    if (failed.length > 0) throw joined(failed, entries.length);
  });
}

type Numbered = readonly [index: number, message: OutgoingMessage];

async function sendAll(
  { instance }: OpenedPubSub,
  call: Call,
  topic: string,
  messages: readonly Numbered[],
  fail: (index: number, cause: unknown) => void,
): Promise<void> {
  const { publishBulk, maxBulkMessages = messages.length } = instance;
  // An ordering key of which one failed: what comes after it would overtake it.
  const broken = new Set<string>();
  const lost = ([index, { orderingKey }]: Numbered, cause: unknown) => {
    if (orderingKey !== undefined) broken.add(orderingKey);
    fail(index, cause);
  };
  if (!publishBulk) {
    const lanes = lanesOf(messages, ([, { orderingKey }]) => orderingKey);
    await parallel(lanes, PARALLELISM, async (lane) => {
      for (const one of passing(lane, broken, lost)) {
        await instance.publish(topic, one[1], call).catch((cause: unknown) => lost(one, cause));
      }
    });
    return;
  }
  for (let at = 0; at < messages.length; at += maxBulkMessages) {
    const part = [...passing(messages.slice(at, at + maxBulkMessages), broken, lost)];
    if (part.length === 0) continue;
    const outgoing = part.map(([, message]) => message);
    const outcomes = await publishBulk
      .call(instance, topic, outgoing, call)
      .catch((cause: unknown) => outgoing.map(() => cause));
    for (const [place, one] of part.entries()) {
      if (outcomes[place] !== undefined) lost(one, outcomes[place]);
    }
  }
}

/** Those whose ordering key is whole when their turn comes; the others are lost. */
function* passing(
  messages: readonly Numbered[],
  broken: ReadonlySet<string>,
  lost: (one: Numbered, cause: unknown) => void,
): Generator<Numbered> {
  for (const one of messages) {
    const { orderingKey } = one[1];
    if (orderingKey === undefined || !broken.has(orderingKey)) yield one;
    else
      lost(one, new ComponentError("unavailable", "one before it in its order was not published"));
  }
}

function joined(failures: readonly KeyFailure[], total: number): ApiError {
  const { code, kind } = (failures[0] as KeyFailure).error;
  const texts = failures.map(({ key, error }) => `${key}: ${error.message}`).join("; ");
  const text = `${failures.length} of ${total} messages were not published: ${texts}`;
  const agreed = failures.every(({ error }) => error.kind === kind) ? kind : undefined;
  return new ApiError(code, text, { kind: agreed, failures });
}

/** The message for a broker, with nothing sent. Throws what publishing it would, as far as no broker is needed to know. */
export function prepare(
  opened: OpenedPubSub,
  call: Call,
  topic: string,
  data: unknown,
  options: PublishOptions,
): OutgoingMessage {
  try {
    checkTopic(opened, topic);
    return toMessage(opened, call, topic, data, options);
  } catch (cause) {
    throw toPubSubError(opened.name, topic, cause);
  }
}

function checkTopic(opened: OpenedPubSub, topic: unknown): void {
  if (typeof topic !== "string" || topic === "") {
    throw pubsubError("ERR_TOPIC_NAME_EMPTY", `topic name is empty in pubsub ${opened.name}`);
  }
  checkScopes(opened, topic, "publishing");
}

function toMessage(
  opened: OpenedPubSub,
  call: Call,
  topic: string,
  written: unknown,
  options: PublishOptions,
): OutgoingMessage {
  const data = given(written);
  const { metadata = {}, orderingKey } = options;
  const { rawPayload, ttl, cloudEvent } = asked(options);
  const delay = seconds("delayInSeconds", options.delayInSeconds);
  if (delay !== undefined) need(opened, "DELAY", "delayInSeconds");
  if (orderingKey !== undefined) need(opened, "ORDERING", "orderingKey");
  const native = opened.features.has("MESSAGE_TTL");
  const beside = { metadata, delay, orderingKey, ttl: native ? ttl : undefined };
  if (rawPayload) {
    if (ttl !== undefined) need(opened, "MESSAGE_TTL", "ttlInSeconds of a raw payload");
    return { data: rawOf(data), ...beside };
  }
  const now = opened.clock.now();
  const expires = native || ttl === undefined ? undefined : now + ttl;
  const type = options.contentType ?? typeOf(data);
  const { id, text } = eventOf(opened, call, topic, data, type, cloudEvent, now, expires);
  return { data: text, id, ...beside };
}

function eventOf(
  { name, appId, random }: OpenedPubSub,
  { trace }: Call,
  topic: string,
  data: unknown,
  contentType: string,
  cloudEvent: EventAttributes,
  now: number,
  expires: number | undefined,
) {
  const common = { topic, pubsub: name, now, expires, trace };
  if (isEvent(contentType)) return passEnvelope({ event: readyOf(data), ...common });
  const payload = payloadOf(data, contentType);
  const { uuid } = random;
  return buildEnvelope({
    payload,
    contentType,
    source: appId,
    attributes: cloudEvent,
    uuid,
    ...common,
  });
}

/** Its own media type, whatever its case and parameters. */
function isEvent(contentType: string): boolean {
  return contentType.length >= CLOUD_EVENT.length && mediaType(contentType) === CLOUD_EVENT;
}

function typeOf(data: unknown): string {
  if (typeof data === "string") return "text/plain";
  return isBytes(data) ? "application/octet-stream" : "application/json";
}

function isBytes(data: unknown): data is Uint8Array {
  return data instanceof Uint8Array;
}

/** An `ArrayBuffer` is bytes too; JSON would make it, and views of one, an empty object. */
function given(data: unknown): unknown {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data) || isBytes(data)) return data;
  throw new ComponentError("invalid", "the data is a view of bytes: make it a Uint8Array");
}

/** Text and bytes go by the content type, as a body does in Dapr's API; anything else is JSON. */
export function payloadOf(data: unknown, contentType: string): Payload {
  const carriage = carriageOf(contentType);
  if (carriage === "bytes") {
    return { bytes: isBytes(data) ? data : new TextEncoder().encode(textOf(data)) };
  }
  const isText = isBytes(data) || typeof data === "string";
  const text = isBytes(data) ? new TextDecoder().decode(data) : textOf(data);
  return carriage === "json" && (!isText || parses(text)) ? { json: text } : { text };
}

function textOf(data: unknown): string {
  return typeof data === "string" ? data : jsonOf(data);
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function jsonOf(data: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(data);
  } catch (cause) {
    throw new ComponentError("invalid", `the data is no JSON: ${messageOf(cause)}`, { cause });
  }
  if (json === undefined) throw new ComponentError("invalid", `the data is ${typeof data}`);
  return json;
}

function readyOf(data: unknown): Readonly<Record<string, unknown>> {
  const text = isBytes(data) ? new TextDecoder().decode(data) : data;
  try {
    const event: unknown = typeof text === "string" ? parseAsWritten(text) : text;
    if (typeof event === "object" && event !== null && !Array.isArray(event)) {
      return event as Readonly<Record<string, unknown>>;
    }
  } catch {
    // The parser's message quotes the data.
  }
  throw pubsubError(
    "ERR_PUBSUB_CLOUD_EVENTS_SER",
    "cannot create cloudevent: its content type says that it is one, and it is no JSON object",
    { kind: "invalid" },
  );
}

function rawOf(data: unknown): string | Uint8Array {
  return typeof data === "string" || isBytes(data) ? data : jsonOf(data);
}
