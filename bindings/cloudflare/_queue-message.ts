import { fromBase64, toBase64 } from "../../src/base64.ts";
import type { OutgoingMessage } from "../../src/contracts/pubsub.ts";
import type { QueuedMessage } from "./_queue-names.ts";

/**
 * What a message is in a queue. Without metadata the body is the data itself: text, such as a CloudEvent, or bytes.
 * Queues carry nothing beside a body, so metadata goes into one: `{"pillion":1,"metadata":{…},"data":"…"}`, with
 * `data_base64` for bytes. A body of any other kind is another producer's; what is no text or bytes becomes JSON.
 */
export interface Content {
  readonly data: string | Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Wrapped {
  readonly pillion: 1;
  readonly metadata: Readonly<Record<string, string>>;
  readonly data?: string;
  readonly data_base64?: string;
}

export function toQueued({ data, metadata, delay }: OutgoingMessage): QueuedMessage {
  // Queues count whole seconds: late by less than one, never early.
  const later = delay === undefined ? {} : { delaySeconds: Math.ceil(delay / 1000) };
  if (Object.keys(metadata).length > 0) {
    const held = typeof data === "string" ? { data } : { data_base64: toBase64(data) };
    const body: Wrapped = { pillion: 1, metadata, ...held };
    return { body, contentType: "json", ...later };
  }
  return typeof data === "string"
    ? { body: data, contentType: "text", ...later }
    : { body: data, contentType: "bytes", ...later };
}

/** The bytes that a message takes; no more than `limit` where it certainly takes no more: UTF-8 has up to three for a UTF-16 unit. */
export function sizeOver(limit: number, { body }: QueuedMessage): number {
  if (body instanceof Uint8Array) return body.byteLength;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const most = text.length * 3;
  return most <= limit ? most : new TextEncoder().encode(text).byteLength;
}

/** Undefined for a body that neither is nor becomes text or bytes. */
export function contentOf(body: unknown): Content | undefined {
  if (typeof body === "string") return { data: body, metadata: {} };
  if (body instanceof ArrayBuffer) return { data: new Uint8Array(body), metadata: {} };
  if (ArrayBuffer.isView(body)) {
    const { buffer, byteOffset, byteLength } = body;
    return { data: new Uint8Array(buffer, byteOffset, byteLength), metadata: {} };
  }
  return unwrapped(body) ?? jsonOf(body);
}

function unwrapped(body: unknown): Content | undefined {
  const { pillion, metadata, data, data_base64: base64 } = (body ?? {}) as Partial<Wrapped>;
  if (pillion !== 1 || typeof metadata !== "object") return undefined;
  const held = typeof base64 === "string" ? fromBase64(base64) : data;
  return typeof held === "string" || held instanceof Uint8Array
    ? { data: held, metadata }
    : undefined;
}

function jsonOf(body: unknown): Content | undefined {
  try {
    const data = JSON.stringify(body) as string | undefined;
    return data === undefined ? undefined : { data, metadata: {} };
  } catch {
    return undefined;
  }
}
