import type { SetOptions } from "../../contracts/state.ts";
import { ComponentError, malformed } from "../../errors.ts";
import type { BulkOptions, Consistency, GetOptions, WriteOptions } from "./api.ts";
import { need, type OpenedState } from "./handle.ts";

const DEFAULT_PARALLELISM = 16;
const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;
/** Dapr refuses a time to live that does not fit in 32 bits; nothing else counts further. */
const MOST = 2_147_483_647;

export function consistencyOf({ consistency }: GetOptions = {}): Consistency | undefined {
  if (!consistency || consistency === "strong" || consistency === "eventual") return consistency;
  throw malformed(`unrecognized consistency model '${consistency}'`);
}

export function writeOptions(opened: OpenedState, options: WriteOptions = {}): SetOptions {
  const { concurrency } = options;
  if (concurrency && concurrency !== "first-write" && concurrency !== "last-write") {
    throw malformed(`unrecognized concurrency model '${concurrency}'`);
  }
  const consistency = consistencyOf(options);
  const match = matching(opened, options.etag);
  if (concurrency === "first-write") need(opened, "ETAG", "first-write");
  const absent = concurrency === "first-write" ? ("absent" as const) : undefined;
  return { when: match ?? absent, ttl: ttlOf(opened, options.ttlInSeconds), consistency };
}

/**
 * Dapr takes an empty ETag for none. In process that would turn a lost ETag into a blind write,
 * so it is refused.
 */
export function matching(
  opened: OpenedState,
  etag: string | undefined,
): { readonly etag: string } | undefined {
  if (etag === undefined) return undefined;
  if (typeof etag !== "string" || etag === "") {
    const text = "an etag is text that is not empty: leave it out to write in any case";
    throw new ComponentError("etag-invalid", text);
  }
  need(opened, "ETAG", "etag");
  return { etag };
}

function ttlOf(opened: OpenedState, seconds = 0): number | undefined {
  if (whole("ttlInSeconds", seconds, -1) <= 0) return undefined;
  need(opened, "TTL", "ttlInSeconds");
  return seconds;
}

export function parallelismOf({ parallelism = DEFAULT_PARALLELISM }: BulkOptions = {}): number {
  return whole("parallelism", parallelism);
}

export function pageSizeOf(limit = DEFAULT_PAGE): number {
  return whole("limit", limit, 1, MAX_PAGE);
}

/** Throws `ERR_MALFORMED_REQUEST` for a number that is not whole or out of bounds. */
export function whole(name: string, value: number, least = 1, most = MOST): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw malformed(`${name} must be a whole number from ${least} to ${most}, not ${shown}`);
}
