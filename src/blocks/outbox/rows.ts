import { fromBase64, toBase64 } from "../../base64.ts";
import type { Call, Random } from "../../contracts/host.ts";
import type { OutgoingMessage } from "../../contracts/pubsub.ts";
import type { StateOperation, StoredItem, StoredValue } from "../../contracts/state.ts";
import { ComponentError } from "../../errors.ts";
import type { OpenedState } from "../state/handle.ts";

/** What one transaction publishes, as it lies in the store beside its items. */
export interface Row {
  /** When it was committed, in milliseconds since the epoch. */
  readonly at: number;
  /** Until then it is in the hands of whoever wrote or claimed it. */
  readonly due: number;
  /** How often what no broker took was put off, up to {@link MOST_TRIES}; absent: never. */
  readonly tries?: number;
  readonly messages: readonly RowMessage[];
}

export interface RowMessage extends Omit<OutgoingMessage, "data"> {
  readonly pubsub: string;
  readonly topic: string;
  readonly data: string | { readonly base64: string };
}

/** Milliseconds for which a row is left to whoever wrote or claimed it. */
export const LEASE_MS = 10_000;
/** One digit, so that a row which is put off has no more bytes than its store takes. The last pause is 43 minutes. */
export const MOST_TRIES = 9;
/** Rows at a time in a store that lists no keys, which all are looked at in one read. */
const PLACES = 64;

/** `||` keeps rows out of the app's own keys, and two of it are too few for an actor's. */
function folderOf({ prefix, appId }: Pick<OpenedState, "prefix" | "appId">): string {
  return `${prefix}outbox||${encodeURIComponent(appId)}/`;
}

/** A free key; in a store that lists none, one of a few, which may be taken. */
export function newKey(opened: OpenedState, random: Random): string {
  const { features } = opened;
  const name = features.has("LIST") ? random.uuid() : Math.floor(random.number() * PLACES);
  return folderOf(opened) + name;
}

/** Keys of rows that there may be. */
export async function* keysOf(opened: OpenedState, call: Call): AsyncGenerator<readonly string[]> {
  const folder = folderOf(opened);
  if (!opened.features.has("LIST")) {
    yield Array.from({ length: PLACES }, (_, place) => folder + place);
    return;
  }
  let cursor: string | undefined;
  do {
    const page = await opened.instance.list?.(folder, 100, cursor, call);
    if (page?.keys.length) yield page.keys;
    cursor = page?.cursor;
  } while (cursor !== undefined);
}

export function toMessage(
  pubsub: string,
  topic: string,
  { data, ...beside }: OutgoingMessage,
): RowMessage {
  const kept = typeof data === "string" ? data : { base64: toBase64(data) };
  return { pubsub, topic, ...beside, data: kept };
}

/** As it is to be sent at `now`; undefined when its time is over. */
export function fromMessage(
  { pubsub: _, topic: __, data, ttl, delay, ...beside }: RowMessage,
  elapsed: number,
): OutgoingMessage | undefined {
  if (ttl !== undefined && ttl <= elapsed) return undefined;
  const bytes = typeof data === "string" ? data : (fromBase64(data.base64) as Uint8Array);
  const left = delay !== undefined && delay > elapsed ? delay - elapsed : undefined;
  return { ...beside, data: bytes, delay: left, ttl: ttl && ttl - elapsed };
}

export function toValue(row: Row): StoredValue {
  return { json: JSON.stringify(row) };
}

export function toOperation(key: string, row: Row): StateOperation {
  return { operation: "upsert", key, value: toValue(row), when: "absent" };
}

export function toRow(key: string, { value }: StoredItem): Row {
  const text = "json" in value ? value.json : new TextDecoder().decode(value.bytes);
  try {
    const row = JSON.parse(text) as Row;
    if (Number.isFinite(row.due) && Array.isArray(row.messages)) return row;
  } catch {
    // No JSON, or null.
  }
  throw new ComponentError("corrupt", `${key} is no row of an outbox`);
}

/** Milliseconds before what could not be published is tried again. */
export function pauseOf(tries: number): number {
  return LEASE_MS * 2 ** (tries - 1);
}
