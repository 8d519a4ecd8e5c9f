-- Renew the lease of the running job's entry, unless another consumer has taken it over.
--
-- KEYS    jobs
-- ARGV    group, consumer, entry
-- Returns 1 if it is still this consumer's, else 0

-- pcall: after the cache lost everything there is no group, and then no consumer holds an entry.
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then
    return pending
end
local held = pending[1]
if not held or held[2] ~= ARGV[2] then
    return 0
end
-- JUSTID resets the idle time and does not count as a delivery.
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'JUSTID')
return 1
