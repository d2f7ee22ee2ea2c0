import { fromBase64, toBase64 } from "../../src/base64.ts";
import type { Clock, Random } from "../../src/contracts/host.ts";
import type { Precondition, StoredItem, StoredValue } from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import type { Row } from "./_service.ts";

/** Names of the attributes that the user chooses; `value` and `etag` are Dapr's. */
export interface Layout {
  readonly key: string;
  readonly ttl: string | undefined;
}

/** Part of a request; what is undefined in it is not sent. */
export interface Condition {
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: Row;
}

export function keyOf(layout: Layout, key: string): Row {
  return { [layout.key]: { S: key } };
}

export function toRow(
  layout: Layout,
  key: string,
  value: StoredValue,
  etag: string,
  expires: number | undefined,
): Row {
  const stored = "json" in value ? { S: value.json } : { B: toBase64(value.bytes) };
  const row = { [layout.key]: { S: key }, value: stored, etag: { S: etag } };
  return expires === undefined || layout.ttl === undefined
    ? row
    : { ...row, [layout.ttl]: { N: String(expires) } };
}

/** Undefined for an expired row, which DynamoDB may keep for days. */
export function fromRow(
  layout: Layout,
  row: Row | undefined,
  clock: Clock,
): StoredItem | undefined {
  if (!row) return undefined;
  const end = layout.ttl === undefined ? undefined : row[layout.ttl]?.N;
  const expires = end === undefined ? undefined : Number(end);
  if (expires !== undefined && expires <= seconds(clock)) return undefined;
  return { value: storedValue(layout, row), etag: row.etag?.S, expires };
}

/** DynamoDB compares as text, so an ETag of any other store is a mismatch, not an error. */
export function conditionOf(
  { key, ttl }: Layout,
  when: Precondition | undefined,
  clock: Clock,
): Condition {
  if (when === undefined) return {};
  const now = ttl === undefined ? undefined : { ":now": { N: String(seconds(clock)) } };
  if (when === "absent") {
    return {
      ConditionExpression: now
        ? "attribute_not_exists(#key) OR #ttl <= :now"
        : "attribute_not_exists(#key)",
      ExpressionAttributeNames: { "#key": key, ...names(ttl) },
      ExpressionAttributeValues: now,
    };
  }
  return {
    ConditionExpression: now ? `etag = :etag AND ${alive}` : "etag = :etag",
    ExpressionAttributeNames: now && names(ttl),
    ExpressionAttributeValues: { ":etag": { S: when.etag }, ...now },
  };
}

/** What a scan for the keys of items under `prefix` asks for. */
export function keysUnder({ key, ttl }: Layout, prefix: string, clock: Clock) {
  const now = ttl === undefined ? undefined : { ":now": { N: String(seconds(clock)) } };
  return {
    FilterExpression: now
      ? `begins_with(#key, :prefix) AND ${alive}`
      : "begins_with(#key, :prefix)",
    ProjectionExpression: "#key",
    ExpressionAttributeNames: { "#key": key, ...names(ttl) },
    ExpressionAttributeValues: { ":prefix": { S: prefix }, ...now },
  };
}

/** Dapr's form: a random uint64 in lower-case hexadecimal without leading zeros. */
export function createEtag({ number }: Random): string {
  const high = Math.floor(number() * 2 ** 32);
  const low = Math.floor(number() * 2 ** 32).toString(16);
  return high === 0 ? low : high.toString(16) + low.padStart(8, "0");
}

const alive = "(attribute_not_exists(#ttl) OR #ttl > :now)";

function names(ttl: string | undefined): Record<string, string> {
  return ttl === undefined ? {} : { "#ttl": ttl };
}

function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

function storedValue(layout: Layout, { value, [layout.key]: key }: Row): StoredValue {
  if (value?.S !== undefined) return { json: value.S };
  const bytes = value?.B === undefined ? undefined : fromBase64(value.B);
  if (bytes) return { bytes };
  throw new ComponentError(
    "corrupt",
    `the attribute value of item ${key?.S} is neither a string nor binary, so no state store wrote it: delete it, or keep it in another table`,
  );
}
