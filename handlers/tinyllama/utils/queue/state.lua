-- Read all that tells where a job stands, at one moment.
--
-- ARGV    id, owner
-- Returns {reply, job (JSON texts or nil), 1 if a worker holds it and its lease has not ended,
--          1 if a worker is awake, 2 if its model is loading, ms since it was accepted (0: it
--          neither waits nor runs)}

local id, sub = ARGV[1], ARGV[2]
local now = now_ms()
local values = redis.call('MGET', REPLY_OF .. id, JOB_OF .. id, HEARTBEAT)
local accepted = redis.call('ZSCORE', WAITING, member_of(id, sub))
local is_held = 0
if not accepted then
    local lease = lease_of(id)
    if lease then
        accepted = lease.accepted
        is_held = lease['until'] > now and 1 or 0
    end
end
local age_ms = accepted and math.max(0, now - tonumber(accepted)) or 0
local is_awake = 0
if values[3] then
    is_awake = string.sub(values[3], -#LOADING) == LOADING and 2 or 1
end
return {values[1], values[2], is_held, is_awake, age_ms}
