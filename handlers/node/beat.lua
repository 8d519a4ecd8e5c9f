-- Show that a worker is present, and renew the leases of the jobs it runs.
--
-- ARGV    node, seconds that a heartbeat lives, consumer, a lease in ms, ids (none: no job runs)
-- Returns those of the ids that are not this worker's any more

-- DEL needs no memory: a worker beats also at maxmemory.
redis.call('DEL', HEARTBEAT)
redis.call('SET', HEARTBEAT, ARGV[1], 'EX', ARGV[2])
local lost = {}
for at = 5, #ARGV do
    local lease = lease_of(ARGV[at])
    if lease and lease.consumer == ARGV[3] then
        lease['until'] = now_ms() + tonumber(ARGV[4])
        write_lease(ARGV[at], lease)
    else
        lost[#lost + 1] = ARGV[at]
    end
end
return lost
