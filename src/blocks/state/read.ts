import type { StoredItem } from "../../contracts/state.ts";
import { checkKey } from "../keys.ts";
import { parallel } from "../parallel.ts";
import type { BulkItem, BulkOptions, GetOptions, Item, ListOptions } from "./api.ts";
import { toStateError } from "./errors.ts";
import { type Handle, need, perform, storedKey, toItem } from "./handle.ts";
import { consistencyOf, pageSizeOf, parallelismOf } from "./options.ts";

export function getItem<T>(
  handle: Handle,
  key: string,
  options?: GetOptions,
): Promise<Item<T> | undefined> {
  const { opened, call } = handle;
  return perform(handle, "get", key, async () => {
    const read = { consistency: consistencyOf(options) };
    const item = await opened.store.get(storedKey(opened, key), read, call);
    return item && toItem<T>(handle, key, item);
  });
}

export function getBulk<T>(
  handle: Handle,
  keys: readonly string[],
  options?: GetOptions & BulkOptions,
): Promise<BulkItem<T>[]> {
  const { opened, call } = handle;
  const { store } = opened;
  return perform(handle, "getBulk", undefined, async () => {
    const read = { consistency: consistencyOf(options) };
    const limit = parallelismOf(options);
    const stored = keys.map((key) => storedKey(opened, key));
    const items = await store.getBulk?.(stored, read, call);
    return parallel(keys, limit, (key, index) =>
      entry<T>(handle, key, async () =>
        items ? items[index] : store.get(stored[index] as string, read, call),
      ),
    );
  });
}

async function entry<T>(
  handle: Handle,
  key: string,
  find: () => Promise<StoredItem | undefined>,
): Promise<BulkItem<T>> {
  try {
    const item = await find();
    return item ? await toItem<T>(handle, key, item) : { key };
  } catch (cause) {
    return { key, error: toStateError(handle.opened.name, "get", key, cause) };
  }
}

export function list(handle: Handle, options: ListOptions = {}) {
  const { opened, call } = handle;
  return perform(handle, "list", undefined, async () => {
    need(opened, "LIST", "listing keys");
    const { prefix = "", limit, cursor } = options;
    if (prefix) checkKey(prefix, "prefix");
    const size = pageSizeOf(limit);
    const page = await opened.store.list?.(opened.prefix + prefix, size, cursor, call);
    const keys = page?.keys.map((key) => key.slice(opened.prefix.length)) ?? [];
    // Actor and workflow rows lie under the same prefix; they are not keys of this block.
    return { keys: keys.filter((key) => !key.includes("||")), cursor: page?.cursor };
  });
}
