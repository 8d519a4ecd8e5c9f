-- Say whether this owner may stop the node.
--
-- ARGV    owner, 1 to stop although others use the node, now (microseconds; empty: the server's clock),
--         1 to throttle and count the request
-- Returns {0 limited, whole seconds until one request would pass}, {1 in use by others, 0}
--         or {2 free, 0}

local sub, is_forced = ARGV[1], ARGV[2] == '1'
local server_ms = now_ms()
local now = tonumber(ARGV[3]) or server_ms * 1000
if ARGV[4] == '1' then
    local passed, count = passed_requests(redis.call('GET', THROTTLE_OF .. sub), now)
    local wait_s = seconds_to_wait(passed, count, now)
    if wait_s > 0 then
        return {0, wait_s}
    end
    drop_expired(server_ms)
    -- Needs no memory, so that a full cache does not keep the node running.
    redis.call('DEL', THROTTLE_OF .. sub)
    count_request(sub, passed, count, now)
end

if is_forced then
    return {2, 0}
end
-- A job whose life has ended only waits for its owner to be told.
local born = '(' .. string.format('%.0f', server_ms - JOB_LIFE_MS)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', WAITING, born, '+inf')) do
    local _, other = id_and_sub(member)
    if other ~= sub then
        return {1, 0}
    end
end
for _, pair in ipairs(leases()) do
    local lease = pair[2]
    local is_over = lease['until'] <= server_ms and lease.accepted + JOB_LIFE_MS <= server_ms
    if lease.sub ~= sub and not is_over then
        return {1, 0}
    end
end
return {2, 0}
