-- Admit a job or return why not: either the whole job is written, or nothing is.
--
-- KEYS    throttle:{sub}  job:{id}  reply:{id}  jobs  node:heartbeat
-- ARGV    id, fingerprint of the body, job (text of a JSON object), most jobs in the queue,
--         now (microseconds; empty: the server's clock, which every function shares)
-- Returns {1 queued | 2 repeated | 3 reused | 4 full, 1 if a worker is awake}
--         or {0 limited, whole seconds until one request would pass}
--
-- All reads come before the first write, and the first write needs memory: only there does Redis
-- refuse a script because of maxmemory, so a refused job leaves nothing.

local throttle, job, reply, jobs, heartbeat = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, body, document, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local SECOND_US, MINUTE_US, JOB_LIFE_S = 1000000, 60000000, 300
local PER_SECOND, PER_MINUTE = 5, 20

local time = redis.call('TIME')
local server_us = time[1] * 1000000 + time[2]
local now = tonumber(ARGV[5]) or server_us
local values = redis.call('MGET', reply, job, throttle, heartbeat)
local is_awake = values[4] and 1 or 0

-- Times of the requests that passed within (now - 60 s, now], oldest first; a text of at most 20
-- times, read and written with one command each. A time ahead of now comes from before the clock
-- was set back: counting it could refuse this owner for as long as that step.
local passed, count = {}, 0
if values[3] then
    for text in string.gmatch(values[3], '%d+') do
        local at = tonumber(text)
        if at > now - MINUTE_US and at <= now then
            count = count + 1
            passed[count] = text
        end
    end
end

local free_at = now
if count >= PER_SECOND then
    free_at = math.max(free_at, passed[count - PER_SECOND + 1] + SECOND_US)
end
if count >= PER_MINUTE then
    free_at = math.max(free_at, passed[count - PER_MINUTE + 1] + MINUTE_US)
end
if free_at > now then
    return {0, math.ceil((free_at - now) / SECOND_US)}
end

local verdict = 1
local stored = values[1] or values[2]
if stored then
    verdict = cjson.decode(stored).body == body and 2 or 3
else
    -- An entry older than a job can live has no job any more; deleting it makes room.
    local expired = string.format('%.0f', time[1] - JOB_LIFE_S) .. '000-0'
    local length = redis.call('XLEN', jobs)
    if length >= most then
        length = length - #redis.call('XRANGE', jobs, '-', '(' .. expired)
    end
    if length >= most then
        return {4, 0}
    end
    local entry = redis.call('XADD', jobs, 'MINID', '=', expired, '*', 'id', id)
    -- The job holds its entry's id, so that withdraw.lua can delete both.
    document = string.sub(document, 1, -2) .. ',"entry":"' .. entry .. '"}'
    redis.call('SET', job, document, 'EX', JOB_LIFE_S, 'NX')
end

-- Lua would print 1.7e+15. One second more than the window: a key dies on a millisecond, the window
-- ends on a microsecond.
passed[count + 1] = string.format('%.0f', now)
redis.call('SET', throttle, table.concat(passed, ' '), 'EX', 61)

return {verdict, is_awake}
