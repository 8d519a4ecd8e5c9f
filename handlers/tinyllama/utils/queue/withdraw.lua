-- Take a job back, unless a worker holds it and will answer it.
--
-- KEYS    job:{id}  jobs
-- ARGV    consumer group
-- Returns 1 if nothing of the job is left, 0 if a worker holds it or it does not exist

local stored = redis.call('GET', KEYS[1])
if not stored then
    return 0
end
local entry = cjson.decode(stored).entry
-- pcall: before the first worker there is no group, and then no worker holds an entry.
local held = redis.pcall('XPENDING', KEYS[2], ARGV[1], entry, entry, 1)
if held.err then
    if not string.find(held.err, 'NOGROUP', 1, true) then
        return held
    end
elseif #held > 0 then
    return 0
end
redis.call('DEL', KEYS[1])
redis.call('XDEL', KEYS[2], entry)
return 1
