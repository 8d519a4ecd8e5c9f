-- Admit one job or say why not: all of it happens, or nothing does.
--
-- KEYS    throttle:{sub}  job:{id}  reply:{id}  jobs  node:heartbeat
-- ARGV    id, fingerprint of the body, job (text of a JSON object), most jobs in the queue,
--         now (microseconds; empty: the server's clock, which every function shares)
-- Returns {1 queued | 2 repeated | 3 reused | 4 full, 1 if a worker is awake}
--         or {0 limited, whole seconds until one request would pass}
--
-- All reads come before the first write, and the first write is one that needs memory: that is the
-- only place where Redis refuses a script because of maxmemory, so a refused job leaves nothing.

local throttle, job, reply, jobs, heartbeat = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, body, document, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local SECOND_US, MINUTE_US, JOB_LIFE_S = 1000000, 60000000, 300
local PER_SECOND, PER_MINUTE = 5, 20

-- Lua prints large numbers as 1.7e+15 unless told otherwise.
local function whole(number)
    return string.format('%.0f', number)
end

local time = redis.call('TIME')
local server_us = time[1] * 1000000 + time[2]
local now = tonumber(ARGV[5]) or server_us

-- Requests that passed within (now - 60 s, now], oldest first. One that lies ahead of now was made
-- before the clock was set back; counting it could refuse this owner for as long as the step was.
local window_start = '(' .. whole(now - MINUTE_US)
local passed = redis.call('ZRANGEBYSCORE', throttle, window_start, whole(now), 'WITHSCORES')
local count = #passed / 2

local free_at = now
if count >= PER_SECOND then
    free_at = math.max(free_at, passed[2 * (count - PER_SECOND + 1)] + SECOND_US)
end
if count >= PER_MINUTE then
    free_at = math.max(free_at, passed[2 * (count - PER_MINUTE + 1)] + MINUTE_US)
end
if free_at > now then
    return {0, math.ceil((free_at - now) / SECOND_US)}
end

local verdict = 1
local known = redis.call('MGET', reply, job)
local stored = known[1] or known[2]
if stored then
    verdict = cjson.decode(stored).body == body and 2 or 3
else
    -- An entry older than a job can live has no job any more; it goes, and makes room.
    local expired = whole(math.floor(server_us / 1000) - JOB_LIFE_S * 1000) .. '-0'
    local length = redis.call('XLEN', jobs)
    if length >= most then
        length = length - #redis.call('XRANGE', jobs, '-', '(' .. expired)
    end
    if length >= most then
        return {4, 0}
    end
    local entry = redis.call('XADD', jobs, 'MINID', '=', expired, '*', 'id', id)
    -- The job knows its entry, so that it can be taken back whole.
    document = string.sub(document, 1, -2) .. ',"entry":"' .. entry .. '"}'
    redis.call('SET', job, document, 'EX', JOB_LIFE_S, 'NX')
end

-- Two requests in one microsecond differ in the count.
redis.call('ZADD', throttle, whole(now), whole(now) .. '-' .. count)
redis.call('ZREMRANGEBYSCORE', throttle, '-inf', whole(now - MINUTE_US))
redis.call('ZREMRANGEBYSCORE', throttle, '(' .. whole(now), '+inf')
-- One second more than the window: a key dies on a millisecond, the window ends on a microsecond.
redis.call('EXPIRE', throttle, 61)

return {verdict, redis.call('EXISTS', heartbeat)}
