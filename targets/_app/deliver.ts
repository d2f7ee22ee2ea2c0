import { toBase64 } from "../../src/base64.ts";
import type { CloudEvent, Delivery, Handler, Status } from "../../src/blocks/pubsub/api.ts";
import { CLOUD_EVENT, toText } from "../../src/blocks/pubsub/envelope.ts";
import { ApiError, configurationError } from "../../src/errors.ts";
import { toFlag } from "../../src/settings.ts";
import { statusesOf, statusOf } from "./answers.ts";
import { createBatch } from "./batch.ts";
import type { AppClient } from "./client.ts";
import { headersOf } from "./headers.ts";
import type { Bulk, PathSubscription } from "./routes.ts";

/** What brings events to an app. */
export interface Way {
  readonly client: AppClient;
  /** Told of every message that the app has dropped, as Dapr tells of it. */
  readonly warn: (text: string) => void;
  /** Whether the app may be called now; absent: always. */
  readonly open?: () => boolean;
  /** Messages of a subscription at a time; absent: as many as the component delivers by itself. */
  readonly concurrency?: number | undefined;
}

/** A handler that hands events of a subscription to the app, at one of its paths. */
export function handlerAt(way: Way, subscription: PathSubscription, path: string): Handler {
  const { bulk } = subscription;
  const handle = bulk
    ? bulkHandler(way, subscription, path, bulk)
    : singleHandler(way, subscription, path);
  return (event, blocks, delivery) => {
    // The message is not at fault: it must neither count nor be buried.
    if (way.open?.() === false) {
      throw new ApiError("ERR_RUNTIME_CLOSED", "the app is not in a healthy state");
    }
    return handle(event, blocks, delivery);
  };
}

function singleHandler(
  { client, warn }: Way,
  subscription: PathSubscription,
  path: string,
): Handler {
  const { pubsub } = subscription;
  const raw = isRaw(subscription);
  return async (event, { call }, { metadata, data }) => {
    const headers = headersOf(CLOUD_EVENT, pubsub, metadata, call.trace);
    const body = raw ? rawEnvelope(event) : data;
    const request = { method: "POST", path, headers, body } as const;
    const answer = await client.call(request, call.signal as AbortSignal);
    return told(warn, subscription, answer.status, statusOf(answer));
  };
}

/** Dapr warns of what it drops. Any other word is judged where handlers are. */
function told(
  warn: Way["warn"],
  { topic }: PathSubscription,
  status: number,
  word: string,
): Status {
  if (word === "DROP") {
    const why = status === 404 ? "the app answered 404" : "the app answered DROP";
    warn(`${why} to a message of topic ${topic}, which is dropped`);
  }
  return word as Status;
}

/** Whether messages are no events. Throws `ERR_CONFIGURATION` for a word that Go reads neither as true nor as false. */
export function isRaw({ metadata, topic }: PathSubscription): boolean {
  const [, value] = Object.entries(metadata).find(([name]) => /^rawpayload$/i.test(name)) ?? [];
  const raw = value === undefined ? false : toFlag(value);
  if (raw !== undefined) return raw;
  throw configurationError(`rawPayload of topic ${topic} must be true or false`);
}

/** An event around a raw payload. */
function rawEnvelope({ data, ...event }: CloudEvent): string {
  return toText({ ...event, data_base64: toBase64(data as Uint8Array) });
}

interface Entry {
  readonly entryId: string;
  readonly event: CloudEvent;
  readonly delivery: Delivery;
}

function bulkHandler(
  { client, warn }: Way,
  subscription: PathSubscription,
  path: string,
  bulk: Bulk,
): Handler {
  const { pubsub } = subscription;
  const raw = isRaw(subscription);
  const batch = createBatch<Entry>(bulk, async (entries, signal) => {
    const body = bulkEnvelope(subscription, raw, entries);
    const headers = headersOf("application/json", pubsub, {}, {});
    const answer = await client.call({ method: "POST", path, headers, body }, signal);
    const wordOn = statusesOf(answer);
    return ({ entryId }) => told(warn, subscription, answer.status, wordOn(entryId));
  });
  return async (event, { call }, delivery) => {
    const entry = { entryId: crypto.randomUUID(), event, delivery };
    return (await batch.add(entry, call.signal, delivery.orderingKey !== undefined)) as Status;
  };
}

/** Events stand in it as they came, so that no number loses digits. */
function bulkEnvelope(
  { pubsub, topic }: PathSubscription,
  raw: boolean,
  entries: readonly Entry[],
): string {
  const items = entries.map(({ entryId, event, delivery }) => {
    const { data, metadata } = delivery;
    const text = raw
      ? JSON.stringify(toBase64(event.data as Uint8Array))
      : typeof data === "string"
        ? data
        : new TextDecoder().decode(data);
    const contentType = raw ? "application/octet-stream" : CLOUD_EVENT;
    const rest = JSON.stringify({ entryId, metadata, contentType });
    return `${rest.slice(0, -1)},"event":${text}}`;
  });
  const head = JSON.stringify({
    id: crypto.randomUUID(),
    type: "com.dapr.event.sent.bulk",
    topic,
    pubsubname: pubsub,
    metadata: { pubsubName: pubsub },
  });
  return `${head.slice(0, -1)},"entries":[${items.join(",")}]}`;
}
