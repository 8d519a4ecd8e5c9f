-- Admit a job or return why not: either the whole job is written, or nothing is.
--
-- ARGV    id, owner, fingerprint of the body, job (text of a JSON object), most jobs that may wait,
--         most of them this owner's, now (microseconds; empty: the server's clock, which every
--         function shares)
-- Returns {1 queued | 2 repeated | 3 reused | 4 full, 1 if a worker is awake}
--         or {0 limited | 5 too many of this owner wait, whole seconds until it is worth asking}
--
-- All reads come before the first write, and the first write needs memory: only there does Redis
-- refuse a script because of maxmemory, so a refused job leaves nothing.

local id, sub, body, document = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, most_own = tonumber(ARGV[5]), tonumber(ARGV[6])
local own = WAITING_OF .. sub
-- About the time of one job.
local TURN_S = 10
local PROMISED = '{"promised":true,'

local time = redis.call('TIME')
local server_us = time[1] * 1000000 + time[2]
local now = tonumber(ARGV[7]) or server_us
local server_ms = math.floor(server_us / 1000)
local values = redis.call('MGET', REPLY_OF .. id, JOB_OF .. id, THROTTLE_OF .. sub, HEARTBEAT)
local is_awake = values[4] and 1 or 0

local passed, count = passed_requests(values[3], now)
local wait_s = seconds_to_wait(passed, count, now)
if wait_s > 0 then
    return {0, wait_s}
end

local verdict = 1
local stored = values[1] or values[2]
if stored then
    verdict = cjson.decode(stored).body == body and 2 or 3
    if verdict == 2 and not values[1] and string.sub(stored, 1, #PROMISED) ~= PROMISED then
        -- Two requests rely on this job now: the first must not take it back.
        redis.call('SET', JOB_OF .. id, PROMISED .. string.sub(stored, 2), 'KEEPTTL')
    end
else
    local has_expired = false
    if redis.call('LLEN', own) >= most_own or redis.call('ZCARD', WAITING) >= most then
        -- Jobs whose life has ended make room.
        local born_ms = server_ms - JOB_LIFE_MS
        local own_count, oldest_ms = 0, nil
        for _, other in ipairs(redis.call('LRANGE', own, 0, -1)) do
            local at_ms = tonumber(redis.call('ZSCORE', WAITING, member_of(other, sub)) or 0)
            if at_ms > born_ms then
                own_count = own_count + 1
                oldest_ms = oldest_ms or at_ms
            end
        end
        if own_count >= most_own then
            local life_s = math.ceil((oldest_ms - born_ms) / 1000)
            return {5, math.max(1, math.min(TURN_S * redis.call('LLEN', TURNS), life_s))}
        end
        local born = '(' .. string.format('%.0f', born_ms)
        if redis.call('ZCOUNT', WAITING, born, '+inf') >= most then
            return {4, 0}
        end
        has_expired = true
    end
    redis.call('SET', JOB_OF .. id, document, 'PX', JOB_KEPT_MS)
    if has_expired then
        drop_expired(server_ms)
        -- It may have been one of those, under the same id.
        redis.call('SET', JOB_OF .. id, document, 'PX', JOB_KEPT_MS)
    end
    -- 0: it waited already, expired; then it keeps that place.
    if redis.call('ZADD', WAITING, server_ms, member_of(id, sub)) == 1 then
        if redis.call('RPUSH', own, id) == 1 then
            redis.call('RPUSH', TURNS, sub)
        end
    end
    if redis.call('LLEN', BELL) == 0 then
        redis.call('RPUSH', BELL, '1')
    end
end

count_request(sub, passed, count, now)
return {verdict, is_awake}
