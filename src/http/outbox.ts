import { type Detail, type Details, details } from "../blocks/outbox/events.ts";
import { asked } from "../blocks/pubsub/metadata.ts";
import { encodeValue } from "../blocks/state/codec.ts";
import { type Handle, storedKey } from "../blocks/state/handle.ts";
import type { Call } from "../contracts/host.ts";
import type { StateOperation, StateStore } from "../contracts/state.ts";

interface Written {
  readonly operation: "upsert" | "delete";
  readonly key: string;
  readonly value: unknown;
  readonly metadata: ReadonlyMap<string, string>;
}

interface OutboxStore extends StateStore {
  [details]?(operations: readonly StateOperation[], call: Call, asked: Details): Promise<void>;
}

/**
 * What the metadata of a transaction's operations asks of the store's outbox. `outbox.projection` makes an operation what is
 * published for the item of its key, and keeps it from being stored; `cloudevent.…` are attributes of the event.
 */
export function withEvents<T extends Written>(
  handle: Handle,
  operations: readonly T[],
): { readonly handle: Handle; readonly operations: readonly T[] } {
  const { opened } = handle;
  const store: OutboxStore = opened.instance;
  if (!store[details]) return { handle, operations };
  const asking = new Map<string, Detail>();
  const ask = (key: string, detail: Detail) => {
    const stored = storedKey(opened, key);
    asking.set(stored, { ...asking.get(stored), ...detail });
  };
  const stored = operations.filter(({ operation, key, value, metadata }) => {
    if (operation !== "upsert") return true;
    if (!isProjection(metadata)) {
      ask(key, { attributes: asked({ metadata: Object.fromEntries(metadata) }).cloudEvent });
      return true;
    }
    ask(key, { value: encodeValue(value, key) });
    return false;
  });
  const transaction = (all: readonly StateOperation[], call: Call) =>
    (store[details] as NonNullable<OutboxStore[typeof details]>)(all, call, asking);
  const instance = Object.create(store, { transaction: { value: transaction } }) as StateStore;
  return { handle: { ...handle, opened: { ...opened, instance } }, operations: stored };
}

/** As Dapr reads a flag. */
function isProjection(metadata: ReadonlyMap<string, string>): boolean {
  return /^(y|yes|true|t|on|1)$/i.test(metadata.get("outbox.projection") ?? "");
}
