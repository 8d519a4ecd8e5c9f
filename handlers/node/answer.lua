-- Store the answer of a job, unless it has one, and remove the job from the queue.
--
-- KEYS    reply:{id}  job:{id}  state:{id}  jobs
-- ARGV    group, entry, fingerprint of the body that was answered, answer (JSON text)
-- Returns 1 if this was the first answer, else 0
--
-- Writes that free memory come first: at maxmemory Redis refuses only a script's first write. The
-- job may be gone: an answer reaches its owner also after the cache lost everything.

local reply, job, state, jobs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, entry, body, answer = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local stored = redis.call('GET', job)
local queued = stored and cjson.decode(stored)
local is_another = queued and queued.body ~= body

-- A stream that was lost and made again could have given the same entry id to another job.
if not (is_another and queued.entry == entry) then
    redis.call('XACK', jobs, group, entry)
    redis.call('XDEL', jobs, entry)
end
if is_another then
    -- After a loss the owner sent another body under the same key: this answer is not for it.
    return 0
end
redis.call('DEL', job, state)
if redis.call('SET', reply, answer, 'EX', 600, 'NX') then
    return 1
end
return 0
