import { fromBase64 } from "../base64.ts";
import type { BulkEntry } from "../blocks/pubsub/api.ts";
import { notPublished } from "../blocks/pubsub/errors.ts";
import { carriageOf, mediaType } from "../blocks/pubsub/media.ts";
import { parseAsWritten } from "../blocks/pubsub/numbers.ts";
import { publishBulk } from "../blocks/pubsub/publish.ts";
import { ApiError, type KeyFailure, messageOf } from "../errors.ts";
import { empty, json, Refusal } from "./answers.ts";
import { isObject, jsonOf } from "./body.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { Fields } from "./fields.ts";
import { detailed, type Metadata, type Target, targetOf, unreadable } from "./pubsub.ts";

/** Several messages, not atomic: 204 once the broker has all, else those that it does not have with the reason of each. */
export async function publishMessages(exchange: Exchange): Promise<ApiResponse> {
  const target = targetOf(exchange);
  const { opened, topic } = target;
  const body = await jsonOf(exchange, "", parseAsWritten).catch((error) => {
    throw unreadable(target, "UNMARSHAL_EVENTS", messageIn(error));
  });
  const entries = entriesOf(target, body);
  try {
    await publishBulk(opened, exchange.call, topic, entries);
    return empty();
  } catch (error) {
    if (!ApiError.is(error) || error.failures.length === 0) throw detailed(target, error);
    const known = error.failures.find(({ error: { code } }) => isWhole(code));
    // What is wrong with the request is no entry's failure, as in Dapr.
    if (known) throw detailed(target, known.error);
    return partly(target, error.failures);
  }
}

function isWhole(code: string): boolean {
  return code === "ERR_PUBSUB_CLOUD_EVENTS_SER" || code === "ERR_PUBSUB_REQUEST_METADATA";
}

function entriesOf(target: Target, body: unknown): BulkEntry[] {
  if (!Array.isArray(body ?? [])) {
    throw unreadable(target, "UNMARSHAL_EVENTS", "the body must be an array of entries");
  }
  const known = new Set<string>();
  return ((body ?? []) as readonly unknown[]).map((item) => {
    const entry = entryOf(target, item);
    if (entry.entryId && !known.has(entry.entryId)) {
      known.add(entry.entryId);
      return entry;
    }
    const why = "entryId is duplicated or not present for entry";
    throw unreadable(target, "MARSHAL_EVENTS", why);
  });
}

function entryOf(target: Target, item: unknown): BulkEntry {
  let read: ReturnType<typeof fieldsOf>;
  try {
    read = fieldsOf(item);
  } catch (error) {
    throw unreadable(target, "UNMARSHAL_EVENTS", messageIn(error));
  }
  const { entryId, event, contentType, own } = read;
  const data = dataOf(event, contentType);
  if (data === undefined) {
    const why = "error: mismatch between contentType and event";
    throw unreadable(target, "MARSHAL_ENVELOPE", why);
  }
  return { entryId, data, contentType, metadata: merged(target.metadata, own) };
}

function fieldsOf(item: unknown) {
  const fields = new Fields(item, "an entry", "");
  return {
    entryId: fields.text("entryId") ?? "",
    event: fields.any("event") ?? null,
    contentType: fields.text("contentType") ?? "",
    own: isObject(fields.any("metadata")) ? Object.fromEntries(fields.metadata()) : undefined,
  };
}

/**
 * The request's metadata under the entry's. Attributes of events in the request are for entries with metadata of their own
 * alone, as in Dapr: an id for all would be one for all.
 */
function merged(request: Metadata, own: Metadata | undefined): Metadata {
  const shared = Object.entries(request).filter(
    ([name]) => own !== undefined || !/^cloudevent\./i.test(name),
  );
  return { ...Object.fromEntries(shared), ...own };
}

/** What an entry's event is by its content type; undefined where the two do not fit. */
function dataOf(event: unknown, contentType: string): string | Uint8Array | undefined {
  const carriage = carriageOf(contentType);
  if (carriage === "bytes") return typeof event === "string" ? fromBase64(event) : undefined;
  if (/^text\/|^application\/xml$/.test(mediaType(contentType))) {
    return typeof event === "string" ? event : undefined;
  }
  return carriage === "json" ? JSON.stringify(event) : undefined;
}

/** Headers beyond this are left out: clients drop an answer with more. */
const MAX_HEADER = 2048;

function partly({ opened, topic }: Target, failures: readonly KeyFailure[]): ApiResponse {
  const failedEntries = failures.map(({ key, error }) => ({
    entryId: key,
    error: messageOf(error.cause ?? error),
  }));
  const response = json({ failedEntries, errorCode: "ERR_PUBSUB_PUBLISH_MESSAGE" }, 500);
  const body = (response.body as string).trimEnd();
  const why = notPublished(opened.name, topic, failedEntries[0]?.error ?? "");
  const headers = {
    "metadata.responsedata": body,
    "metadata.error": `api error: code = Internal desc = ${why}`,
  };
  for (const [name, text] of Object.entries(headers)) {
    const value = headerOf(text);
    if (value.length <= MAX_HEADER) response.headers[name] = value;
  }
  // Bytes: before a string, Node would write the headers as UTF-8, which they are already.
  return { ...response, body: new TextEncoder().encode(body) };
}

/** UTF-8 bytes, each as one character, in one line: what a header may hold. */
function headerOf(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let value = "";
  for (const byte of bytes) value += byte < 32 || byte === 127 ? " " : String.fromCharCode(byte);
  return value;
}

function messageIn(error: unknown): string {
  if (!(error instanceof Refusal)) return messageOf(error);
  const { message } = JSON.parse(error.response.body as string) as { message: string };
  return message;
}
