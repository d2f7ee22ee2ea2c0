import { messageOf } from "../errors.ts";
import { type Refusal, refused } from "./answers.ts";
import type { Exchange } from "./contract.ts";

/** Also refuses bytes that are no UTF-8, which would be stored as something else. */
const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const DOING = "failed deserializing HTTP body: ";

/** 200 digits or a large exponent. A digit comes first, since a text mostly has other characters, which are passed over fast. */
const MAYBE_INFINITE = /\d(?:[eE]\+?\d{3}|(?<!\d\d)\d{199})/;

/** The bytes of the body. Throws a plain error that says why it cannot be read. */
export async function bytesOf({ request, context }: Exchange): Promise<Uint8Array> {
  const tooLarge = () => new Error(`it is larger than ${context.maxBodySize} bytes`);
  if (Number(request.header("content-length") ?? 0) > context.maxBodySize) throw tooLarge();
  const bytes = await request.body();
  if (bytes.byteLength > context.maxBodySize) throw tooLarge();
  return bytes;
}

type Read = (text: string) => unknown;

/** The body's first JSON value; what follows it is left alone, as Dapr leaves it. `doing` goes before what is wrong. */
export async function jsonOf(
  exchange: Exchange,
  doing = DOING,
  read: Read = JSON.parse,
): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    bytes = await bytesOf(exchange);
  } catch (cause) {
    throw malformed(messageOf(cause), doing);
  }
  return parse(bytes, doing, read);
}

/**
 * The body of the endpoints that Dapr reads as a protobuf message: an object, or nothing, which is an empty one.
 * A body that cannot be read has an error code of its own there.
 */
export async function messageFrom(exchange: Exchange): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await rawOf(exchange);
  if (bytes.byteLength === 0) return {};
  const value = parse(bytes, DOING);
  if (isObject(value)) return value;
  throw malformed("it is no JSON object");
}

export async function rawOf(exchange: Exchange): Promise<Uint8Array> {
  return bytesOf(exchange).catch((cause) => {
    const text = `failed to read request body: ${messageOf(cause)}`;
    throw refused(400, "ERR_BODY_READ", text);
  });
}

export function malformed(why: string, doing = DOING): Refusal {
  return refused(400, "ERR_MALFORMED_REQUEST", doing + why);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(bytes: Uint8Array, doing: string, read: Read = JSON.parse): unknown {
  if (bytes.byteLength === 0) throw malformed("it is empty", doing);
  let value: unknown;
  let text = "";
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed("it is not UTF-8", doing);
  }
  try {
    value = read(text);
  } catch {
    // The parser's own message quotes the body.
    const first = firstValue(text, read);
    if (first === undefined) throw malformed("it is not JSON", doing);
    value = first.value;
  }
  if (MAYBE_INFINITE.test(text)) checkFinite(value, doing);
  return value;
}

/** What stands before the rest of a text whose first value is complete. */
function firstValue(text: string, read: Read): { readonly value: unknown } | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (quoted) {
      if (character === "\\") at++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "[" || character === "{") depth++;
    else if ((character === "]" || character === "}") && --depth <= 0)
      return parsed(text.slice(0, at + 1), read);
  }
  return undefined;
}

function parsed(text: string, read: Read): { readonly value: unknown } | undefined {
  try {
    return { value: read(text) };
  } catch {
    return undefined;
  }
}

/** A number that is none here would be stored as `null`. */
function checkFinite(value: unknown, doing: string): void {
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next === "number" && !Number.isFinite(next))
      throw malformed("a number is too large", doing);
    if (typeof next !== "object" || next === null) continue;
    for (const inner of Object.values(next)) left.push(inner);
  }
}
