import type { WriteOptions } from "../blocks/state/api.ts";
import { perform, storedKey } from "../blocks/state/handle.ts";
import { remove, set, setBulk } from "../blocks/state/write.ts";
import type { StoredItem } from "../contracts/state.ts";
import { ApiError } from "../errors.ts";
import { data, empty, Refusal, refused } from "./answers.ts";
import { jsonOf, malformed, rawOf } from "./body.ts";
import type { ApiResponse, Exchange } from "./contract.ts";
import { Fields } from "./fields.ts";
import { BadOption, concurrencyOf, consistencyOf, ttlOf } from "./options.ts";
import { parseQuery, type Query } from "./query.ts";
import { bulkFailure, checkDeclared, checkSeparator, storeOf, withoutQueries } from "./store.ts";

/** What is stored, byte for byte. */
export async function getState(exchange: Exchange): Promise<ApiResponse> {
  const handle = storeOf(exchange);
  const { opened, call } = handle;
  const key = exchange.params[1] as string;
  const query = parseQuery(exchange.request.query);
  checkSeparator(opened.name, key);
  const consistency = refusing(
    "ERR_STATE_GET",
    `fail to get ${key} from state store ${opened.name}`,
    () => consistencyOf(query.get("consistency")),
  );
  // The API reads eventually unless asked, as Dapr's does.
  const read = { consistency: consistency ?? "eventual" };
  const item = await perform(handle, "get", key, () =>
    opened.instance.get(storedKey(opened, key), read, call),
  );
  return item ? found(item) : empty();
}

function found({ value, etag, expires }: StoredItem): ApiResponse {
  const response = data("bytes" in value ? value.bytes : value.json);
  if (etag !== undefined) response.headers.etag = etag;
  if (expires !== undefined) response.headers["metadata.ttlexpiretime"] = timeOf(expires);
  return response;
}

/** RFC 3339, of seconds since the epoch. */
export function timeOf(expires: number): string {
  return new Date(expires * 1000).toISOString().replace(".000", "");
}

type Write = { readonly key: string; readonly value: unknown } & WriteOptions;

/** One item is one write; several are written side by side, and may be written in part. */
export async function saveState(exchange: Exchange): Promise<ApiResponse> {
  const handle = storeOf(exchange);
  const { name } = handle.opened;
  const body = (await jsonOf(exchange, "")) ?? [];
  if (!Array.isArray(body)) throw malformed("the body must be an array of items", "");
  const items = body.map((item) => new Fields(item, "an item", ""));
  for (const item of items) {
    const key = item.text("key");
    if (!key) throw malformed('"key" is a required field', "");
    checkSeparator(name, key);
  }
  const query = parseQuery(exchange.request.query);
  const writes = refusing("ERR_STATE_SAVE", `failed saving state in state store ${name}`, () =>
    items.map((item) => writeOf(item, query)),
  );
  const [first] = writes;
  if (first && writes.length === 1) await set(handle, first.key, first.value, first);
  else if (first) await setBulk(handle, writes).catch(refuseBulk);
  return empty();
}

function refuseBulk(error: unknown): never {
  throw ApiError.is(error) ? new Refusal(bulkFailure(error)) : error;
}

/** An empty ETag is none on the wire. What the URL says of metadata stands over what the item says. */
export function writeOf(item: Fields, query: Query): Write {
  const metadata = item.metadata();
  const options = item.nested("options");
  item.text("contentType");
  const concurrency = options.text("concurrency");
  return {
    key: item.text("key") ?? "",
    value: item.any("value") ?? null,
    etag: item.text("etag") || undefined,
    consistency: consistencyOf(options.text("consistency")),
    concurrency: concurrency ? concurrencyOf(concurrency) : undefined,
    ttlInSeconds: ttlOf(query.get("metadata.ttlInSeconds") ?? metadata.get("ttlInSeconds")),
  } as Write;
}

export async function deleteState(exchange: Exchange): Promise<ApiResponse> {
  const handle = storeOf(exchange);
  const key = exchange.params[1] as string;
  const query = parseQuery(exchange.request.query);
  checkSeparator(handle.opened.name, key);
  refusing("ERR_STATE_DELETE", `failed deleting state with key ${key}`, () => {
    consistencyOf(query.get("consistency"));
    concurrencyOf(query.get("concurrency"));
  });
  await remove(handle, key, exchange.request.header("if-match") || undefined);
  return empty();
}

/** No store answers queries yet. */
export async function queryState(exchange: Exchange): Promise<ApiResponse> {
  await rawOf(exchange);
  const [name = ""] = exchange.params;
  checkDeclared(exchange.context.runtime, name, undefined);
  throw withoutQueries(name);
}

/** What stores refuse, Dapr answers with the code and the words of the call, and always with 500. */
export function refusing<T>(code: string, doing: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BadOption) throw refused(500, code, `${doing}: ${error.message}`);
    throw error;
  }
}
