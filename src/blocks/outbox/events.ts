import type { Call } from "../../contracts/host.ts";
import type { StateOperation, StoredValue } from "../../contracts/state.ts";
import type { EventAttributes } from "../pubsub/api.ts";
import { buildEnvelope } from "../pubsub/envelope.ts";
import type { OpenedState } from "../state/handle.ts";
import type { RowMessage } from "./rows.ts";

/** Where the events of a store's transactions go. */
export interface EventSettings {
  readonly pubsub: string;
  readonly topic: string;
}

/** What a transaction says of the event of an item, by the item's stored key. */
export type Details = ReadonlyMap<string, Detail>;

export interface Detail {
  /** Published in the place of what is stored. */
  readonly value?: StoredValue | undefined;
  readonly attributes?: EventAttributes | undefined;
}

/** Under it a store with an outbox has a transaction that takes {@link Details} as its last parameter. */
export const details = Symbol("outbox.details");

/** An event for each item that is written, and none for one that is deleted, as in Dapr. */
export function eventsOf(
  { appId: source, prefix, clock, random }: OpenedState,
  { pubsub, topic }: EventSettings,
  operations: readonly StateOperation[],
  { trace }: Call,
  asked: Details,
): RowMessage[] {
  return operations.flatMap((operation) => {
    // Keys of more parts are not the app's: an inbox's mark, an actor's state.
    const isOwn = !operation.key.slice(prefix.length).includes("||");
    if (operation.operation !== "upsert" || !isOwn) return [];
    const { value = operation.value, attributes = {} } = asked.get(operation.key) ?? {};
    const isBytes = "bytes" in value;
    const { id, text } = buildEnvelope({
      payload: isBytes ? { bytes: value.bytes } : { json: value.json },
      contentType: isBytes ? "application/octet-stream" : "application/json",
      topic,
      pubsub,
      source,
      now: clock.now(),
      trace,
      attributes,
      uuid: random.uuid,
    });
    return [{ pubsub, topic, data: text, id, metadata: {} }];
  });
}
