-- Store the answer of a job, unless it has one, and remove the job from the queue.
--
-- ARGV    id, owner, fingerprint of the body that was answered, when the answered job was accepted
--         (ms), status, answer (JSON text)
-- Returns 1 if this was the first answer, else 0
--
-- The job may be gone: an answer reaches its owner also after the cache lost everything. Or its owner
-- has sent it again since: a reply is that job's too if the body is the same, a failure is not.

local id, sub, body, accepted, status, answer = unpack(ARGV)
local stored = redis.call('GET', JOB_OF .. id)
local lease = lease_of(id)
local waits_since = redis.call('ZSCORE', WAITING, member_of(id, sub))
local since = tonumber(waits_since or (lease and lease.accepted) or accepted)
local is_another = stored and cjson.decode(stored).body ~= body
local is_later = since ~= tonumber(accepted)

if waits_since and lease then
    -- The lease is of the first job, because a job that waits is held by nobody.
    redis.call('HDEL', RUNNING, id)
end
if is_another or (is_later and status == 'failed') then
    return 0
end
leave(id, sub)
redis.call('HDEL', RUNNING, id)
redis.call('DEL', JOB_OF .. id)
if redis.call('SET', REPLY_OF .. id, answer, 'EX', REPLY_LIFE_S, 'NX') then
    return 1
end
return 0
