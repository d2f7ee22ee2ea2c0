import { binaryEvent } from "../../src/contracts/cloudevents.ts";
import type { Random } from "../../src/contracts/host.ts";
import type { IncomingMessage, OutgoingMessage } from "../../src/contracts/pubsub.ts";
import { ComponentError } from "../../src/errors.ts";

/** What of a driver's record is read. */
export interface Fetched {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly timestamp: string;
  readonly offset: string;
  readonly headers?: Readonly<Record<string, Header>> | undefined;
}

type Header = Uint8Array | string | readonly (Uint8Array | string)[] | undefined;

export interface Outgoing {
  readonly key: string | null;
  readonly value: Buffer;
  readonly headers: Record<string, string>;
  readonly partition?: number;
}

/** What the component's settings say of headers. */
export interface HeaderSettings {
  readonly escapeHeaders: boolean;
  readonly exclude: RegExp | undefined;
}

/** Dapr's record: what the publisher wrote beside the message becomes headers, all of it, and a part of it is obeyed too. */
export function toRecord(
  { data, metadata, orderingKey }: OutgoingMessage,
  { exclude }: HeaderSettings,
  component: string,
): Outgoing {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    if (!exclude?.test(name)) headers[name] = value;
  }
  const { partitionKey, __key } = metadata;
  if (metadata.valueSchemaType !== undefined && metadata.valueSchemaType.toLowerCase() !== "none") {
    throw new ComponentError(
      "unsupported",
      `component ${component}: valueSchemaType is not built: publish JSON, or bytes with rawPayload`,
    );
  }
  const partition = partitionOf(metadata.partitionNumber, component);
  const value = typeof data === "string" ? Buffer.from(data) : Buffer.from(data);
  const key = orderingKey ?? partitionKey ?? __key ?? null;
  return { key, value, headers, ...(partition !== undefined && { partition }) };
}

function partitionOf(text: string | undefined, component: string): number | undefined {
  if (text === undefined) return undefined;
  const partition = Number(text);
  if (!/^-?\d+$/.test(text)) {
    throw new ComponentError(
      "invalid",
      `component ${component}: partitionNumber must be a whole number, not ${JSON.stringify(text)}`,
    );
  }
  return partition < 0 ? undefined : partition;
}

export function fromRecord(
  topic: string,
  partition: number,
  record: Fetched,
  { escapeHeaders }: HeaderSettings,
  attempt: number,
): IncomingMessage {
  const { value, offset, timestamp } = record;
  const written = escapeHeaders ? escapeQuery : (text: string) => text;
  const metadata: Record<string, string> = {};
  const headers = headersOf(record);
  for (const [name, header] of Object.entries(headers)) metadata[name] = written(header);
  const key = keyOf(record);
  if (key !== undefined) metadata.__key = written(key);
  metadata.__offset = offset;
  metadata.__topic = topic;
  metadata.__timestamp = timestamp;
  metadata.__partition = String(partition);
  return {
    id: `${topic}/${partition}/${offset}`,
    topic,
    data: value ?? "",
    metadata,
    event: binaryEvent(value ?? new Uint8Array(), headers),
    attempt,
    orderingKey: key,
  };
}

export function keyOf({ key }: Pick<Fetched, "key">): string | undefined {
  return key === null || key.length === 0 ? undefined : new TextDecoder().decode(key);
}

function headersOf({ headers = {} }: Fetched): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, header]) => [name, textOf(header)]),
  );
}

/** Dapr keeps the last of several headers with one name. */
function textOf(header: Header): string {
  if (header === undefined || typeof header === "string") return header ?? "";
  if (header instanceof Uint8Array) return new TextDecoder().decode(header);
  return textOf(header.at(-1));
}

/** As Go escapes a query: a space is `+`, and nothing but letters, digits and `-_.~` stays. */
function escapeQuery(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

/** The partition that Dapr's driver takes: by 32-bit FNV-1a of the key as a signed number, by chance without a key. */
export function partitionFor(
  key: string | Uint8Array | null | undefined,
  count: number,
  random: Random,
): number {
  if (key === null || key === undefined) return Math.floor(random.number() * count);
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key as string)) hash = Math.imul(hash ^ byte, 0x01000193);
  return Math.abs((hash | 0) % count);
}
