-- Tell the owners of the jobs that a stop of the node ends.
--
-- ARGV    owner, 1 to end the jobs of others too, public error code
-- Returns how many jobs failed
--
-- Waiting jobs are failed too: left waiting, they would have the node started again.

local sub, is_forced = ARGV[1], ARGV[2] == '1'
local now = now_ms()
local failed = 0
for _, member in ipairs(redis.call('ZRANGE', WAITING, 0, -1)) do
    local id, owner = id_and_sub(member)
    if is_forced or owner == sub then
        failed = failed + fail(id, owner, now, ARGV[3], '')
    end
end
for _, pair in ipairs(leases()) do
    if is_forced or pair[2].sub == sub then
        failed = failed + fail(pair[1], pair[2].sub, now, ARGV[3], '')
    end
end
return failed
