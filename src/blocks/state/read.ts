import type { ReadOptions, StoredItem } from "../../contracts/state.ts";
import { malformed } from "../../errors.ts";
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
    const item = await opened.instance.get(storedKey(opened, key), read, call);
    return item && toItem<T>(handle, key, item);
  });
}

export function getBulk<T>(
  handle: Handle,
  keys: readonly string[],
  options?: GetOptions & BulkOptions,
): Promise<BulkItem<T>[]> {
  const { opened } = handle;
  return perform(handle, "getBulk", undefined, async () => {
    const read = { consistency: consistencyOf(options) };
    const limit = parallelismOf(options);
    const stored = keys.map((key) => storedKey(opened, key));
    const found = await readAll(handle, [...new Set(stored)], read, limit);
    return Promise.all(keys.map((key, index) => entry<T>(handle, key, found.get(stored[index]))));
  });
}

type Found = StoredItem | Error | undefined;

/** What is under each key, in as few calls as the store allows, `limit` of them at a time. */
async function readAll(
  { opened: { instance: store }, call }: Handle,
  keys: readonly string[],
  read: ReadOptions,
  limit: number,
): Promise<Map<string | undefined, Found>> {
  const found = new Map<string | undefined, Found>();
  if (store.getBulk) {
    await parallel(slices(keys, store.maxBulkKeys ?? keys.length), limit, async (slice) => {
      const items = (await store.getBulk?.(slice, read, call)) ?? [];
      for (const [index, key] of slice.entries()) found.set(key, items[index]);
    });
  } else {
    await parallel(keys, limit, async (key) => {
      found.set(key, await store.get(key, read, call).catch((error: Error) => error));
    });
  }
  return found;
}

function slices(keys: readonly string[], size: number): string[][] {
  const all: string[][] = [];
  for (let start = 0; start < keys.length; start += size) all.push(keys.slice(start, start + size));
  return all;
}

async function entry<T>(handle: Handle, key: string, found: Found): Promise<BulkItem<T>> {
  if (found === undefined) return { key };
  try {
    if (found instanceof Error) throw found;
    return await toItem<T>(handle, key, found);
  } catch (cause) {
    return { key, error: toStateError(handle.opened.name, "get", key, cause) };
  }
}

export function list(handle: Handle, options: ListOptions = {}) {
  const { opened, call } = handle;
  return perform(handle, "list", undefined, async () => {
    need(opened, "LIST", "listing keys");
    const { prefix = "", limit, cursor } = options;
    if (prefix !== "") checkKey(prefix, "prefix");
    const size = pageSizeOf(limit);
    if (cursor !== undefined && (typeof cursor !== "string" || cursor === ""))
      throw malformed("a cursor is what the page before answered, or absent");
    const page = await opened.instance.list?.(opened.prefix + prefix, size, cursor, call);
    const keys = page?.keys.map((key) => key.slice(opened.prefix.length)) ?? [];
    // Actor and workflow rows lie under the same prefix; they are not keys of this block.
    return { keys: keys.filter((key) => !key.includes("||")), cursor: page?.cursor };
  });
}
