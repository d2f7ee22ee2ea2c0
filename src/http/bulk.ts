import { parallel } from "../blocks/parallel.ts";
import { toStateError } from "../blocks/state/errors.ts";
import { type Handle, perform, storedKey } from "../blocks/state/handle.ts";
import type { StoredItem, StoredValue } from "../contracts/state.ts";
import { ComponentError } from "../errors.ts";
import { data, escaped, toJson } from "./answers.ts";
import { jsonOf, malformed } from "./body.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { Fields } from "./fields.ts";
import { timeOf } from "./state.ts";
import { checkSeparator, storeOf } from "./store.ts";

/** Reads at a time where the caller does not say: Dapr makes all of them at once. */
const PARALLELISM = 16;

const read = { consistency: "eventual" } as const;

type Found = StoredItem | Error | undefined;

/** One entry for every key; a key that cannot be read says so, and the others are answered. */
export async function getBulkState(exchange: Exchange): Promise<ApiResponse> {
  const handle = storeOf(exchange);
  const body = new Fields(await jsonOf(exchange), "the body");
  const keys = body.list("keys").map((key) => {
    if (typeof key === "string") return key;
    throw malformed("keys must hold strings");
  });
  body.metadata();
  const wanted = body.whole("parallelism") ?? 0;
  for (const key of keys) checkSeparator(handle.opened.name, key);
  const limit = wanted > 0 ? wanted : PARALLELISM;
  const found = await perform(handle, "getBulk", undefined, () => readAll(handle, keys, limit));
  const entries = keys.map((key) => entry(handle, key, found.get(key)));
  return data(`[${entries.join(",")}]\n`);
}

/** What is stored under each key, in as few calls as the store allows. */
async function readAll(handle: Handle, keys: readonly string[], limit: number) {
  const { opened, call } = handle;
  const { instance: store } = opened;
  const found = new Map<string, Found>();
  const names = [...new Set(keys)];
  const stored = new Map(names.map((key) => [key, storedKey(opened, key)]));
  const size = store.getBulk ? (store.maxBulkKeys ?? Math.max(1, names.length)) : 1;
  const slices: string[][] = [];
  for (let at = 0; at < names.length; at += size) slices.push(names.slice(at, at + size));
  await parallel(slices, limit, async (slice) => {
    const items = slice.map((key) => stored.get(key) as string);
    const answers = store.getBulk
      ? await store.getBulk(items, read, call)
      : [await store.get(items[0] as string, read, call).catch((error: Error) => error)];
    for (const [index, key] of slice.entries()) found.set(key, answers[index]);
  });
  return found;
}

/** The stored JSON stands in the answer as it is, so that no number in it is rounded. */
function entry({ opened }: Handle, key: string, found: Found): string {
  if (found === undefined) return toJson({ key });
  try {
    if (found instanceof Error) throw found;
    const { value, etag, expires } = found;
    const metadata = expires === undefined ? undefined : { ttlExpireTime: timeOf(expires) };
    const rest = toJson({ etag, metadata }).slice(1);
    const comma = rest === "}" ? "" : ",";
    return `${toJson({ key }).slice(0, -1)},"data":${jsonIn(value, key)}${comma}${rest}`;
  } catch (cause) {
    const { message } = toStateError(opened.name, "get", key, cause);
    return toJson({ key, error: message });
  }
}

/** Dapr answers 200 with an empty body where one of the values is no JSON. */
function jsonIn(value: StoredValue, key: string): string {
  try {
    const text =
      "json" in value ? value.json : new TextDecoder("utf-8", { fatal: true }).decode(value.bytes);
    JSON.parse(text);
    return escaped(text);
  } catch {
    throw new ComponentError("corrupt", `the stored value of ${key} is not JSON: get it by itself`);
  }
}
