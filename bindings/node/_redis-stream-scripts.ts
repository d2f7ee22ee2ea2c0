/**
 * Who holds a pending message is asked and changed in one step: between two commands another process could have taken it.
 * KEYS[1] is the topic, ARGV[1] the group and ARGV[2] this process's consumer.
 */

/**
 * Takes messages over that are this consumer's, or that nobody touched for ARGV[3] milliseconds: of each its id, how often
 * it was delivered with this time, and its fields. One that was deleted or trimmed meanwhile is acknowledged.
 */
export const takeScript = `
local taken = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if row and (row[2] == ARGV[2] or row[3] >= tonumber(ARGV[3])) then
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id)[1]
    if entry then
      taken[#taken + 1] = {id, row[4] + 1, entry[2]}
    else
      redis.call('XACK', KEYS[1], ARGV[1], id)
    end
  end
end
return taken
`;

/**
 * Gives this consumer's messages to the consumer ARGV[3], which may be itself, with ARGV[4] added to the count of their
 * deliveries. After that an id each, and for how many milliseconds it is as if it had not been touched. Answers the ids
 * that were this consumer's.
 */
export const giveScript = `
local given = {}
for i = 5, #ARGV, 2 do
  local id = ARGV[i]
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if row and row[2] == ARGV[2] then
    local count = math.max(row[4] + tonumber(ARGV[4]), 0)
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, id, 'IDLE', ARGV[i + 1], 'RETRYCOUNT', count, 'JUSTID')
    given[#given + 1] = id
  end
end
return given
`;

/**
 * Gives all that this consumer has to the consumer ARGV[3], as if it had not been touched for ARGV[4] milliseconds, and
 * then removes this one, which forgets what it still had.
 */
export const leaveScript = `
for _ = 1, 1000 do
  local rows = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 100, ARGV[2])
  if #rows == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  end
  for _, row in ipairs(rows) do
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, row[1], 'IDLE', ARGV[4], 'RETRYCOUNT', row[4], 'JUSTID')
  end
end
`;

/** Removes consumers that processes left which did not stop: named as this one, idle for ARGV[3] milliseconds, with nothing. */
export const sweepScript = `
for _, found in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #found, 2 do consumer[found[i]] = found[i + 1] end
  local named = #consumer.name == #ARGV[2] and string.sub(consumer.name, 1, #ARGV[1] + 1) == ARGV[1] .. '-'
  if named and consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
  end
end
`;
