-- Give a worker its next job, and the lease of it.
--
-- ARGV    consumer, a job's life in ms, a lease in ms, ids that this worker runs now
-- Returns {id, owner, job (JSON text), ms that are left of its life, times it was begun,
--          when it was accepted (ms)}, or {} if no job waits
--
-- First what this worker holds and does not run: it crashed, or the reply to its claim was lost. Then
-- what another worker held until its lease ended. Then the oldest job of the user whose turn it is.
-- What it runs it is not given again, also where the lease ended because no beat came through.

local consumer, life_ms, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()
local runs = {}
for at = 4, #ARGV do
    runs[ARGV[at]] = true
end

local function hold(id, lease)
    local stored = redis.call('GET', JOB_OF .. id)
    -- A clock that was set back must not lengthen a job's life.
    local left_ms = math.min(lease.accepted + life_ms - now, life_ms)
    if not stored or left_ms <= 0 then
        -- Whoever began it has ended before it had an answer.
        fail(id, lease.sub, now, lease.begun > 0 and 'worker_crashed' or 'not_started', '')
        return nil
    end
    if redis.call('EXISTS', REPLY_OF .. id) == 1 then
        redis.call('DEL', JOB_OF .. id)
        redis.call('HDEL', RUNNING, id)
        return nil
    end
    lease.consumer, lease['until'] = consumer, now + lease_ms
    write_lease(id, lease)
    return {id, lease.sub, stored, left_ms, lease.begun, lease.accepted}
end

local candidates = {}
for _, held in ipairs(leases()) do
    local lease, is_run = held[2], runs[held[1]]
    if not is_run and (lease.consumer == consumer or lease['until'] <= now) then
        candidates[#candidates + 1] = held
    end
end
table.sort(candidates, function(a, b)
    local is_a_own, is_b_own = a[2].consumer == consumer, b[2].consumer == consumer
    if is_a_own ~= is_b_own then
        return is_a_own
    end
    if a[2].accepted ~= b[2].accepted then
        return a[2].accepted < b[2].accepted
    end
    return a[1] < b[1]
end)
for _, held in ipairs(candidates) do
    local id, lease = held[1], held[2]
    if redis.call('ZSCORE', WAITING, member_of(id, lease.sub)) then
        -- The same id was accepted again after its first life, and waits for its turn.
        redis.call('HDEL', RUNNING, id)
    else
        local claim = hold(id, lease)
        if claim then
            return claim
        end
    end
end

drop_expired(now)
while true do
    local sub = redis.call('LINDEX', TURNS, 0)
    if not sub then
        return {}
    end
    local own = WAITING_OF .. sub
    local id = redis.call('LINDEX', own, 0)
    local accepted = id and redis.call('ZSCORE', WAITING, member_of(id, sub))
    if id and accepted then
        leave(id, sub)
    else
        redis.call('LPOP', own)
    end
    if redis.call('LINDEX', TURNS, 0) == sub then
        redis.call('LPOP', TURNS)
        if redis.call('EXISTS', own) == 1 then
            redis.call('RPUSH', TURNS, sub)
        end
    end
    local claim = id and accepted
        and hold(id, {accepted = tonumber(accepted), begun = 0, sub = sub})
    if claim then
        return claim
    end
end
