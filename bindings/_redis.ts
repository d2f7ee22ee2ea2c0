import { characters } from "../src/base64.ts";
import type { Random } from "../src/contracts/host.ts";
import type { StateOperation, StoredItem, StoredValue } from "../src/contracts/state.ts";
import { ComponentError } from "../src/errors.ts";

/*
 * Dapr's layout of an item: a hash under the key, `data` with the value's text or bytes, `version` with a whole number
 * that is its ETag; `first-write`, which Dapr may leave there, is neither obeyed nor touched. `bytes` is ours: the
 * version at which bytes were written, void once anybody has written a later one.
 */

/** What a server answers, over whichever transport. */
export type Reply = Uint8Array | string | number | null | readonly Reply[];

/** One run of a script. */
export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | Uint8Array)[];
}

/**
 * One key: its data, version, mark of bytes and end (milliseconds since the epoch; -1 never, -2 there is no such key),
 * all of one moment; or the name of its type, where that is neither a hash nor a string. A string has no version, as Dapr reads it.
 * Servers before 7.0 have no PEXPIRETIME: 10 ms less than what their two clocks sum up to keeps a whole second whole.
 */
export const readScript = `
local key = KEYS[1]
local fields = redis.pcall('HMGET', key, 'data', 'version', 'bytes')
if fields.err then
  if not string.find(fields.err, 'WRONGTYPE', 1, true) then return fields end
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'string' then return kind end
  fields = {redis.call('GET', key), '', false}
end
local ends = redis.pcall('PEXPIRETIME', key)
if type(ends) == 'table' then
  local now = redis.call('TIME')
  ends = redis.call('PTTL', key)
  if ends >= 0 then ends = now[1] * 1000 + math.floor(now[2] / 1000) + ends - 10 end
end
fields[4] = ends
return fields
`;

/**
 * Checks every condition, then writes every key: answers the versions, empty for a delete, or, with nothing written,
 * the number of the first key whose condition does not hold. ARGV: the version of new items; then for each key its
 * condition ("", "absent" or a version), "json", "bytes", "text" (bytes, a character for each) or "delete", the seconds
 * to live or "", and the value. Versions are compared as text, since Lua's numbers lose digits. A command that the user
 * may not run would end the script between two writes, so where servers can be asked (7.0), they are asked before.
 */
export const writeScript = `
local held, other, uses, versions, now = {}, {}, {}, {}, nil
for i, key in ipairs(KEYS) do
  local fields = redis.pcall('HMGET', key, 'version', 'bytes')
  if fields.err then
    if not string.find(fields.err, 'WRONGTYPE', 1, true) then return fields end
    other[i], uses.DEL, fields = true, true, {false, false}
  end
  held[i] = fields
  local when, kind, ttl = ARGV[4 * i - 2], ARGV[4 * i - 1], ARGV[4 * i]
  if when == 'absent' then
    if fields[1] or redis.call('EXISTS', key) == 1 then return i end
  elseif when ~= '' and when ~= fields[1] then
    return i
  end
  if kind == 'delete' then
    uses.DEL = true
  else
    uses.HSET, uses[ttl == '' and 'PERSIST' or 'EXPIREAT'] = true, true
    if fields[2] then uses.HDEL = true end
    if ttl ~= '' then now = now or redis.call('TIME') end
  end
end
if redis.acl_check_cmd then
  for command in pairs(uses) do
    if not redis.acl_check_cmd(command, KEYS[1]) then
      return redis.error_reply('NOPERM no permission to run ' .. command)
    end
  end
end
local function after(version)
  local n = tonumber(version)
  if n and n < 9007199254740991 and string.format('%.0f', n) == version then
    return string.format('%.0f', n + 1)
  end
  return ARGV[1]
end
local function bytes(text)
  local all = {}
  for low = 128, 191 do
    all['\\194' .. string.char(low)] = string.char(low)
    all['\\195' .. string.char(low)] = string.char(low + 64)
  end
  return (string.gsub(text, '[\\194\\195].', all))
end
for i, key in ipairs(KEYS) do
  local kind, ttl, data = ARGV[4 * i - 1], ARGV[4 * i], ARGV[4 * i + 1]
  if kind == 'delete' then
    redis.call('DEL', key)
    versions[i] = ''
  else
    local version = after(held[i][1])
    if other[i] then redis.call('DEL', key) end
    if kind == 'json' then
      redis.call('HSET', key, 'data', data, 'version', version)
      if held[i][2] then redis.call('HDEL', key, 'bytes') end
    else
      if kind == 'text' then data = bytes(data) end
      redis.call('HSET', key, 'data', data, 'version', version, 'bytes', version)
    end
    if ttl == '' then
      redis.call('PERSIST', key)
    else
      redis.call('EXPIREAT', key, now[1] + ttl + (now[2] == '0' and 0 or 1))
    end
    versions[i] = version
  end
end
return versions
`;

export interface WriteOptions {
  readonly random: Random;
  /** Seconds to live of a write that says nothing of it. */
  readonly ttl: number | undefined;
  /** How bytes travel: as they are, or with a character for each where the transport holds only text. */
  readonly bytes: "bytes" | "text";
}

/** The call of {@link writeScript} for these operations. Throws "etag-invalid" for an ETag that is no whole number. */
export function writeCall(
  operations: readonly StateOperation[],
  { random, ttl, bytes }: WriteOptions,
): ScriptCall {
  const args: (string | Uint8Array)[] = [firstVersion(random)];
  for (const operation of operations) {
    args.push(condition(operation));
    if (operation.operation === "delete") {
      args.push("delete", "", "");
      continue;
    }
    const { value, ttl: seconds = ttl } = operation;
    const ends = seconds === undefined ? "" : String(seconds);
    if ("json" in value) args.push("json", ends, value.json);
    else args.push(bytes, ends, bytes === "bytes" ? value.bytes : characters(value.bytes));
  }
  return { keys: operations.map(({ key }) => key), args };
}

/**
 * A deleted item's ETags do not fit the next one under its key, and Dapr's HINCRBY goes on from here: 15 digits, which are
 * below 2^53. V8 keeps the text of a number: of small ones there are few, while a large one would outlive its write.
 */
function firstVersion(random: Random): string {
  const three = () => 100 + Math.floor(random.number() * 900);
  return `${three()}${three()}${three()}${three()}${three()}`;
}

function condition({ when }: StateOperation): string {
  if (when === undefined || when === "absent") return when ?? "";
  if (/^-?\d+$/.test(when.etag)) return when.etag;
  throw new ComponentError("etag-invalid", "an ETag of Redis is a whole number");
}

/** The new ETags, empty for a delete. Throws "etag-mismatch" that names the key whose condition did not hold. */
export function toVersions(reply: Reply, keys: readonly string[]): string[] {
  if (Array.isArray(reply) && reply.length === keys.length) return reply.map(toText);
  const key = typeof reply === "number" ? keys[reply - 1] : undefined;
  if (key === undefined) {
    throw new ComponentError(
      "unavailable",
      "the server's answer is none of a write: it may have been made",
    );
  }
  throw new ComponentError("etag-mismatch", `key ${key} was written since it was read`);
}

/** The item in an answer of {@link readScript}. Throws "corrupt" for what no state store wrote. */
export function toItem(reply: Reply, key: string, component: string): StoredItem | undefined {
  if (!Array.isArray(reply)) throw corrupt(`is a ${toText(reply)}`);
  const fields: readonly Reply[] = reply;
  const [data = null, version = null, bytes = null, end = null] = fields;
  const ends = Number(end);
  if (ends === -2) return undefined;
  if (data === null || version === null) throw corrupt("is a hash without data or version");
  const etag = toText(version);
  const marked = bytes !== null && toText(bytes) === etag;
  return {
    value: toValue(data as Uint8Array, marked),
    etag: etag === "" ? undefined : etag,
    expires: ends < 0 ? undefined : Math.ceil(ends / 1000),
  };

  function corrupt(found: string): ComponentError {
    return new ComponentError(
      "corrupt",
      `component ${component}: key ${key} ${found}, not an item of Dapr's: another program uses the key`,
    );
  }
}

/** A mark of byte order belongs to the text: without it, what is read would not be what was written. */
export const strict = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function toValue(data: Uint8Array, marked: boolean): StoredValue {
  if (marked) return { bytes: new Uint8Array(data) };
  try {
    return new Text(strict.decode(data), data);
  } catch {
    return { bytes: new Uint8Array(data) };
  }
}

/** A class: V8 keeps what an object's own getter sees until it collects its old objects. */
class Text {
  readonly json: string;
  readonly #data: Uint8Array;

  constructor(json: string, data: Uint8Array) {
    this.json = json;
    this.#data = data;
  }

  /** A copy, since the data may share its memory with other answers; rarely asked for. */
  get raw(): Uint8Array {
    return new Uint8Array(this.#data);
  }
}

/** A version or the name of a type: ASCII, unless somebody else wrote it; a character for each byte. */
function toText(reply: Reply): string {
  if (!(reply instanceof Uint8Array)) return String(reply);
  let text = "";
  for (const byte of reply) text += String.fromCharCode(byte);
  return text;
}
