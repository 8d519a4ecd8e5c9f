-- Fail the jobs that have waited for too long, and count the others.
--
-- ARGV    ms after which a waiting job is failed, public error code, reason (may be empty), age in ms
--         below which a job is worth a start of the node
-- Returns {waiting, in flight, 1 if a worker is awake, failed, jobs that are worth a start}; a job whose
--         lease has ended waits, and one whose life has ended does neither

local now = now_ms()
local too_old = now - tonumber(ARGV[1])
local failed = 0
drop_expired(now)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', WAITING, '-inf', too_old)) do
    local id, sub = id_and_sub(member)
    failed = failed + fail(id, sub, now, ARGV[2], ARGV[3])
end
for _, held in ipairs(leases()) do
    local id, lease = held[1], held[2]
    if lease['until'] <= now and lease.accepted <= too_old then
        if redis.call('ZSCORE', WAITING, member_of(id, lease.sub)) then
            -- The same id was accepted again, after its first life: that job still waits.
            redis.call('HDEL', RUNNING, id)
        else
            failed = failed + fail(id, lease.sub, now, ARGV[2], ARGV[3])
        end
    end
end
local waiting, in_flight = depth(now), 0
local born = now - tonumber(ARGV[4])
local young = redis.call('ZCOUNT', WAITING, '(' .. string.format('%.0f', born), '+inf')
for _, held in ipairs(leases()) do
    if held[2].accepted > born then
        young = young + 1
    end
    -- Nobody starts the node for a job whose life has ended under a worker that is gone.
    if held[2]['until'] > now and held[2].accepted + JOB_LIFE_MS > now then
        in_flight = in_flight + 1
    end
end
return {waiting, in_flight, redis.call('EXISTS', HEARTBEAT), failed, young}
