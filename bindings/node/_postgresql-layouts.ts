import type { Host } from "../../src/contracts/host.ts";
import type {
  Precondition,
  StateOperation,
  StoredItem,
  StoredValue,
} from "../../src/contracts/state.ts";
import { ComponentError } from "../../src/errors.ts";
import type { Parameter } from "./_postgresql-exchange.ts";
import { type Texts, textsOf } from "./_postgresql-statements.ts";

/** A row as text, as the server sends it: value, ETag, expiry, and what else the layout reads. */
export type Row = readonly (string | null)[];

/** How one of Dapr's two tables holds items. */
export interface Layout {
  readonly texts: Texts;
  /** The two columns of a value, and its ETag where the server does not make it. */
  write(value: StoredValue): Written;
  item(row: Row): StoredItem | ComponentError;
  /** Throws for an ETag that no item of the table can have. */
  check(key: string, when: Precondition | undefined): void;
}

interface Written {
  readonly columns: readonly [Parameter, Parameter];
  readonly etag: string | undefined;
}

const isV8 = (uuid: string) => uuid[14] === "8";

/** jsonb, with a flag for bytes, which it holds as base64; the ETag is the number of the transaction that wrote the row. */
export function v1(table: string): Layout {
  return {
    texts: textsOf({
      table,
      written: ["value", "isbinary"],
      value: "value",
      types: ["jsonb", "boolean"],
      etag: "xmin",
      etagType: "xid",
      expires: "expiredate",
      updated: "updatedate",
      marks: ["isbinary"],
      returns: true,
    }),
    write: (value) => ({
      columns: "json" in value ? [value.json, false] : [JSON.stringify(base64(value.bytes)), true],
      etag: undefined,
    }),
    item([json, etag, expires, binary]) {
      if (binary === "f") return item({ json: json as string }, etag, expires);
      const text = JSON.parse(json as string) as unknown;
      if (typeof text !== "string")
        return new ComponentError("corrupt", "a stored value is marked as bytes and is no text");
      return item({ bytes: plain(Buffer.from(text, "base64")) }, etag, expires);
    },
    check(key, when) {
      if (when === undefined || when === "absent") return;
      if (/^(0|[1-9]\d{0,9})$/.test(when.etag) && Number(when.etag) < 2 ** 32) return;
      throw new ComponentError("etag-invalid", `an ETag of ${key} is a whole number of 32 bits`);
    },
  };
}

/**
 * The bytes themselves, with no mark for what they are. Dapr's ETags are UUIDs of version 4; bytes get one of
 * version 8, so that they stay bytes when they could be JSON, until Dapr writes the row.
 */
export function v2(table: string, { random }: Host): Layout {
  return {
    texts: textsOf({
      table,
      written: ["value", "etag"],
      // As text a bytea is what bytea_output says, and more than the driver can hold would end the process.
      value: `CASE WHEN octet_length(value) <= ${LARGEST} THEN encode(value, 'hex') END`,
      types: ["bytea", "uuid"],
      etag: "etag",
      etagType: "uuid",
      expires: "expires_at",
      updated: "updated_at",
      marks: [],
      returns: false,
    }),
    write(value) {
      const uuid = random.uuid();
      if ("json" in value) return { columns: [sized(Buffer.from(value.json)), uuid], etag: uuid };
      const etag = `${uuid.slice(0, 14)}8${uuid.slice(15)}`;
      // A copy: they may be sent only once there is a connection, and by then the caller may have changed them.
      return { columns: [sized(Buffer.from(value.bytes)), etag], etag };
    },
    item([hex, etag, expires]) {
      if (hex === null) return new ComponentError("corrupt", "a stored value has more than 255 MB");
      const bytes = Buffer.from(hex as string, "hex");
      if (isV8(etag as string) || !isUtf8(bytes))
        return item({ bytes: plain(bytes) }, etag, expires);
      return item({ json: bytes.toString(), raw: plain(bytes) }, etag, expires);
    },
    check(key, when) {
      if (when === undefined || when === "absent") return;
      // No item has it, which is a mismatch to Dapr too.
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(when.etag)) throw mismatch(key);
    },
  };
}

/** Half of the characters that a text may have in Node: it is read in hexadecimal. */
const LARGEST = 255 * 2 ** 20;

function sized(bytes: Buffer): Buffer {
  if (bytes.length <= LARGEST) return bytes;
  throw new ComponentError("invalid", "a value may have 255 MB in PostgreSQL: nothing was written");
}

export function mismatch(key: string): ComponentError {
  return new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
}

/** The parameters of the statement that makes a transaction. */
export function parametersOf(layout: Layout, operations: readonly StateOperation[]): Parameter[][] {
  const parameters: Parameter[][] = [[], [], [], [], []];
  for (const operation of operations) {
    layout.check(operation.key, operation.when);
    const upsert = operation.operation === "upsert" ? operation : undefined;
    const [first, second] = upsert ? layout.write(upsert.value).columns : [null, null];
    const row = [operation.key, conditionOf(operation.when), first, second, upsert?.ttl ?? null];
    for (const [index, value] of row.entries()) parameters[index]?.push(value);
  }
  return parameters;
}

function conditionOf(when: Precondition | undefined): string {
  if (when === undefined || when === "absent") return when ?? "";
  return when.etag.toLowerCase();
}

function item(
  value: StoredValue,
  etag: string | null | undefined,
  expires: string | null | undefined,
) {
  return {
    value,
    etag: etag as string,
    // Dapr's column may hold `infinity`.
    expires: expires === null || !Number.isFinite(Number(expires)) ? undefined : Number(expires),
  };
}

function isUtf8(bytes: Uint8Array): boolean {
  return process.getBuiltinModule("node:buffer").isUtf8(bytes);
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

/** Bytes of their own: a small Buffer shares its memory with others. */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes);
}
