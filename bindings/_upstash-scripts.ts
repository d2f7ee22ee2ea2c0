import { type Reply, readScript, strict } from "./_redis.ts";

/*
 * Upstash's REST answers text, and clients that a user made may parse what looks like JSON, so what these scripts
 * answer is text that is none: "=", then a character for each byte.
 */

const answer = `
local wide
local function widen()
  wide = {}
  for low = 128, 191 do
    wide[string.char(low)] = '\\194' .. string.char(low)
    wide[string.char(low + 64)] = '\\195' .. string.char(low)
  end
end
local function answer(bytes)
  if not string.find(bytes, '[\\128-\\255]') then return '=' .. bytes end
  if not wide then widen() end
  return '=' .. (string.gsub(bytes, '[\\128-\\255]', wide))
end
`;

/** For each key what {@link readScript} answers, all of one moment. */
export const readAllScript = `${answer}
local function read(KEYS)
${readScript}
end
local all = {}
for i, key in ipairs(KEYS) do
  local fields = read({key})
  if fields.err then return fields end
  if type(fields) == 'table' and fields[1] then fields[1] = answer(fields[1]) end
  all[i] = fields
end
return all
`;

/** ARGV: SCAN's cursor, pattern and count. Answers the next cursor, and then keys. */
export const scanScript = `${answer}
local step = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
local found = {step[1]}
for i, key in ipairs(step[2]) do found[i + 1] = answer(key) end
return found
`;

/** The name of each key's type. */
export const typesScript = `
local types = {}
for i, key in ipairs(KEYS) do types[i] = redis.call('TYPE', key).ok end
return types
`;

/** What {@link readAllScript} answered for one key, as Redis would have: with bytes for its data. */
export function toReply(answered: Reply | undefined): Reply {
  if (!Array.isArray(answered)) return answered as Reply;
  const [data, ...rest] = answered as readonly Reply[];
  return [typeof data === "string" ? toBytes(data) : (data as Reply), ...rest];
}

/** The keys that are text; no call could name another. */
export function toKeys(answered: readonly Reply[]): string[] {
  return answered.flatMap((key) => {
    try {
      return [strict.decode(toBytes(String(key)))];
    } catch {
      return [];
    }
  });
}

function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length - 1);
  for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index + 1);
  return bytes;
}
