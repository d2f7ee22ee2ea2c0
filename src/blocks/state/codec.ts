import type { StoredValue } from "../../contracts/state.ts";
import { ComponentError, messageOf } from "../../errors.ts";

export function encodeValue(value: unknown, key: string): StoredValue {
  if (value instanceof Uint8Array) return { bytes: value };
  if (value instanceof ArrayBuffer) return { bytes: new Uint8Array(value) };
  if (ArrayBuffer.isView(value))
    throw notJson("of a view of bytes, only a Uint8Array comes back as it was");
  let json: string | undefined;
  try {
    json = typeof value === "number" && !Number.isFinite(value) ? undefined : JSON.stringify(value);
  } catch (cause) {
    throw notJson(messageOf(cause));
  }
  if (json === undefined)
    throw notJson(typeof value === "number" ? String(value) : `it is ${typeof value}`);
  return { json };

  function notJson(why: string): ComponentError {
    return new ComponentError("invalid", `the value of ${key} is neither JSON nor bytes: ${why}`);
  }
}

export function decodeValue(value: StoredValue, key: string): unknown {
  if ("bytes" in value) return value.bytes;
  try {
    return JSON.parse(value.json);
  } catch (cause) {
    if (value.raw) return value.raw;
    // The parser's own message quotes the value.
    throw new ComponentError("corrupt", `the stored value of ${key} is not JSON`, { cause });
  }
}
