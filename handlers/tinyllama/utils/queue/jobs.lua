-- Library: what waits, what workers hold, and how a job leaves both.
--
-- At maxmemory Redis refuses the first write of a script if that command may need memory, and none
-- after it. So what ends or begins a job writes first what frees memory or needs none.

local JOB_LIFE_MS, REPLY_LIFE_S = 300000, 600
-- Redis keeps a job for longer than it lives, so that its owner can be told how it ended: a worker that
-- dies at the end of that life leaves a lease of 60 s, and one tick of the waker may be lost.
local JOB_KEPT_MS = 480000

local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function member_of(id, sub)
    return id .. ' ' .. sub
end

-- An id holds no space, an owner's name may.
local function id_and_sub(member)
    return string.match(member, '^(%S*) (.*)$')
end

-- Take a job out of what waits; false if it did not wait.
local function leave(id, sub)
    if redis.call('ZREM', WAITING, member_of(id, sub)) == 0 then
        return false
    end
    local own = WAITING_OF .. sub
    redis.call('LREM', own, 0, id)
    if redis.call('EXISTS', own) == 0 then
        redis.call('LREM', TURNS, 0, sub)
        if redis.call('EXISTS', WAITING) == 0 then
            redis.call('DEL', BELL)
        end
    end
    return true
end

-- Forget jobs that have waited for longer than Redis keeps them.
local function drop_expired(now)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', WAITING, '-inf', now - JOB_KEPT_MS)) do
        local id, sub = id_and_sub(member)
        leave(id, sub)
        redis.call('DEL', JOB_OF .. id)
    end
end

-- The lease of a job that a worker holds, or nil; an entry that cannot be read is over.
local function read_lease(text)
    local is_read, lease = pcall(cjson.decode, text or '')
    if is_read and type(lease) == 'table' and type(lease.accepted) == 'number'
        and type(lease['until']) == 'number' and type(lease.begun) == 'number'
        and type(lease.consumer) == 'string' and type(lease.sub) == 'string' then
        return lease
    end
    return text and {consumer = '', ['until'] = 0, accepted = 0, begun = 0, sub = ''}
end

local function lease_of(id)
    return read_lease(redis.call('HGET', RUNNING, id))
end

local function write_lease(id, lease)
    -- HDEL needs no memory, so HSET is not the script's first write.
    redis.call('HDEL', RUNNING, id)
    redis.call('HSET', RUNNING, id, cjson.encode(lease))
end

-- Every job that workers hold, as {id, lease}.
local function leases()
    local found = {}
    local fields = redis.call('HGETALL', RUNNING)
    for at = 1, #fields, 2 do
        found[#found + 1] = {fields[at], read_lease(fields[at + 1])}
    end
    return found
end

-- Jobs that wait, jobs that workers hold, age of the oldest waiting job in ms. A job whose lease has
-- ended waits for the next worker; one whose life has ended waits for nothing.
local function depth(now)
    local oldest_ms, in_flight = now, 0
    local born = '(' .. string.format('%.0f', now - JOB_LIFE_MS)
    local waiting = redis.call('ZCOUNT', WAITING, born, '+inf')
    local first = redis.call('ZRANGEBYSCORE', WAITING, born, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if first[2] then
        oldest_ms = math.min(oldest_ms, tonumber(first[2]))
    end
    for _, held in ipairs(leases()) do
        local lease = held[2]
        if lease['until'] > now then
            in_flight = in_flight + 1
        elseif lease.accepted + JOB_LIFE_MS > now then
            waiting = waiting + 1
            oldest_ms = math.min(oldest_ms, lease.accepted)
        end
    end
    return waiting, in_flight, now - oldest_ms
end

-- Tell the owner that the job failed, unless they were told something already; 1 if they are told.
local function fail(id, sub, now, err, reason)
    leave(id, sub)
    redis.call('HDEL', RUNNING, id)
    local stored = redis.call('GET', JOB_OF .. id)
    if not stored then
        return 0
    end
    redis.call('DEL', JOB_OF .. id)
    local is_read, job = pcall(cjson.decode, stored)
    local reply = {sub = sub, status = 'failed', error = err, ts = now}
    if is_read and type(job) == 'table' then
        reply.sub, reply.body = job.sub or sub, job.body
    end
    if reason ~= '' then
        reply.reason = reason
    end
    local text = cjson.encode(reply)
    return redis.call('SET', REPLY_OF .. id, text, 'EX', REPLY_LIFE_S, 'NX') and 1 or 0
end
