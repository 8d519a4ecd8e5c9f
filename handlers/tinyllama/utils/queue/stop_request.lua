-- Say whether this owner may stop the node; if so, tell the owners of all jobs that it stops.
--
-- ARGV    owner, 1 to stop although others use the node, public error code, now (microseconds;
--         empty: the server's clock), 1 to tell the owners
-- Returns {0 limited, whole seconds until one request would pass}, {1 in use by others, 0}
--         or {2 free, jobs failed}
--
-- Waiting jobs are failed too: left waiting, they would have the node started again.

local sub, is_forced = ARGV[1], ARGV[2] == '1'
local server_ms = now_ms()
local now = tonumber(ARGV[4]) or server_ms * 1000
local passed, count = passed_requests(redis.call('GET', THROTTLE_OF .. sub), now)
local wait_s = seconds_to_wait(passed, count, now)
if wait_s > 0 then
    return {0, wait_s}
end
drop_expired(server_ms, JOB_LIFE_MS)
-- Needs no memory, so that a full cache does not keep the node running.
redis.call('DEL', THROTTLE_OF .. sub)
count_request(sub, passed, count, now)

local held = leases()
if not is_forced then
    for _, other in ipairs(redis.call('LRANGE', TURNS, 0, -1)) do
        if other ~= sub then
            return {1, 0}
        end
    end
    for _, pair in ipairs(held) do
        local lease = pair[2]
        local is_over = lease['until'] <= server_ms and lease.accepted + JOB_LIFE_MS <= server_ms
        if lease.sub ~= sub and not is_over then
            return {1, 0}
        end
    end
end
if ARGV[5] ~= '1' then
    return {2, 0}
end
local failed = 0
for _, member in ipairs(redis.call('ZRANGE', WAITING, 0, -1)) do
    local id, owner = id_and_sub(member)
    failed = failed + fail(id, owner, server_ms, ARGV[3], '')
end
for _, pair in ipairs(held) do
    failed = failed + fail(pair[1], pair[2].sub, server_ms, ARGV[3], '')
end
return {2, failed}
