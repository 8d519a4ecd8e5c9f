-- Begin the job of an entry that Redis has just delivered, or delete an entry without a job to run.
--
-- KEYS    job:{id}  state:{id}  reply:{id}  jobs
-- ARGV    group, consumer, entry, a job's life in ms
-- Returns {job (JSON text), ms that are left of its life, times it was delivered}, or {} if another
--         consumer holds the entry, or it had no job to run and is deleted

local job, state, reply, jobs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, consumer, entry, life_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local held = redis.call('XPENDING', jobs, group, entry, entry, 1)[1]
if not held or held[2] ~= consumer then
    return {}
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local added_ms = tonumber(string.match(entry, '^%d+'))
local left_ms = math.min(redis.call('PTTL', job), added_ms + life_ms - now_ms)
local stored = redis.call('GET', job)

-- A job that its owner sent again after it had expired has another entry; this one may not end it.
local suffix = ',"entry":"' .. entry .. '"}'
local is_ours = stored and string.sub(stored, -#suffix) == suffix

if left_ms <= 0 or not is_ours or redis.call('EXISTS', reply) == 1 then
    redis.call('XACK', jobs, group, entry)
    redis.call('XDEL', jobs, entry)
    if is_ours then
        redis.call('DEL', job, state)
    end
    return {}
end
-- DEL comes first, as it needs no memory: at maxmemory Redis refuses only a script's first write,
-- and a job that cannot be claimed would keep its memory for ever.
redis.call('DEL', state)
redis.call('SET', state, 'running', 'PX', left_ms)
return {stored, left_ms, held[4]}
