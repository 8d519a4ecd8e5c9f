-- Show that a worker is present, and renew the lease of the job it runs.
--
-- ARGV    node, seconds that a heartbeat lives, consumer, a lease in ms, id (empty: no job runs)
-- Returns 1, or 0 if the job is not this worker's any more

-- DEL needs no memory: a worker beats also at maxmemory.
redis.call('DEL', HEARTBEAT)
redis.call('SET', HEARTBEAT, ARGV[1], 'EX', ARGV[2])
local id = ARGV[5]
if id == '' then
    return 1
end
local lease = lease_of(id)
if not lease or lease.consumer ~= ARGV[3] then
    return 0
end
lease['until'] = now_ms() + tonumber(ARGV[4])
write_lease(id, lease)
return 1
