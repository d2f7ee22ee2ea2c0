import type { Host } from "../src/contracts/host.ts";
import { pubSub } from "../src/contracts/pubsub.ts";
import {
  expiryOf,
  type KeyPage,
  type Precondition,
  type StateStore,
  type StoredItem,
  type StoredValue,
  stateStore,
} from "../src/contracts/state.ts";
import { ComponentError } from "../src/errors.ts";
import { memoryBus } from "./_memory-bus.ts";

/** The reference for every other store: a map, gone with the process or isolate that holds it. */
export const state = /* @__PURE__ */ stateStore({
  type: "state.in-memory",
  runsOn: ["node", "workers", "lambda"],
  clock: "host",
  fields: {},
  features: () => ["ETAG", "TRANSACTIONAL", "TTL", "LIST"],
  open: (_settings, host) => memoryStore(host),
});

/**
 * Topics in this process: a message goes to those who subscribe at the time, and is lost with the process. A topic that
 * ends in `*` stands for every longer one that begins as it does.
 */
export const pubsub = /* @__PURE__ */ pubSub({
  type: "pubsub.in-memory",
  runsOn: ["node"],
  fields: {
    processingTimeout: {
      type: "duration",
      default: 60,
      description:
        "Time that a handler has for a message. Then it is given up, and the message comes again as after a failure. Not Dapr's.",
    },
  },
  features: () => ["SUBSCRIBE_WILDCARDS", "DELAY"],
  open: memoryBus,
});

type Items = Map<string, StoredItem & { readonly etag: string }>;

function memoryStore({ clock, random }: Host): StateStore {
  const items: Items = new Map();
  return {
    async get(key) {
      const item = current(key);
      return item && { ...item, value: owned(item.value) };
    },
    async set(key, value, { when, ttl }) {
      check(key, when);
      return write(key, value, ttl);
    },
    async delete(key, { when }) {
      check(key, when);
      items.delete(key);
    },
    async transaction(operations) {
      for (const operation of operations) check(operation.key, operation.when);
      for (const operation of operations) {
        if (operation.operation === "delete") items.delete(operation.key);
        else write(operation.key, operation.value, operation.ttl);
      }
    },
    async list(prefix, limit, cursor) {
      return page(
        [...items.keys()].filter((key) => key.startsWith(prefix) && current(key)).sort(),
        limit,
        cursor,
      );
    },
    native: () => items,
  };

  function current(key: string) {
    const item = items.get(key);
    if (item?.expires === undefined || item.expires * 1000 > clock.now()) return item;
    items.delete(key);
    return undefined;
  }

  function check(key: string, when: Precondition | undefined): void {
    if (when === undefined) return;
    const etag = current(key)?.etag;
    if (when === "absent" ? etag === undefined : etag === when.etag) return;
    throw new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
  }

  function write(key: string, value: StoredValue, ttl: number | undefined): string {
    const etag = random.uuid();
    items.set(key, { value: owned(value), etag, expires: expiryOf(ttl, clock) });
    return etag;
  }
}

/** A copy, so that whoever writes into the bytes that they stored or read does not change the item. */
function owned(value: StoredValue): StoredValue {
  return "bytes" in value ? { bytes: value.bytes.slice() } : value;
}

/** The cursor is the last key of the page before, so that writes between two pages shift nothing. */
function page(sorted: readonly string[], limit: number, cursor: string | undefined): KeyPage {
  const rest = cursor === undefined ? sorted : sorted.filter((key) => key > cursor);
  const keys = rest.slice(0, limit);
  return { keys, cursor: rest.length > limit ? keys.at(-1) : undefined };
}
