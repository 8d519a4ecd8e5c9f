-- Record that the worker asks the model now, for the n-th time; sent again, it changes nothing.
--
-- ARGV    id, consumer, attempt (1 is the first), a lease in ms
-- Returns 1, or 0 if this worker does not hold the job any more

local id, consumer, attempt = ARGV[1], ARGV[2], tonumber(ARGV[3])
local lease = lease_of(id)
if not lease or lease.consumer ~= consumer then
    return 0
end
lease.begun = math.max(lease.begun, attempt)
lease['until'] = now_ms() + tonumber(ARGV[4])
write_lease(id, lease)
return 1
