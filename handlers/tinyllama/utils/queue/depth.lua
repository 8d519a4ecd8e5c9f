-- Count the jobs that wait and that workers hold, and the age of the oldest waiting job.
--
-- KEYS    jobs
-- ARGV    consumer group
-- Returns {waiting, in flight, age of the oldest waiting entry in ms}

local jobs, group = KEYS[1], ARGV[1]
local length = redis.call('XLEN', jobs)
local in_flight, after = 0, '-'

-- pcall: before the first worker there is no group, and after a crash there may be no stream.
local pending = redis.pcall('XPENDING', jobs, group)
if pending.err then
    if not string.find(pending.err, 'NOGROUP', 1, true) then
        return pending
    end
else
    in_flight = pending[1]
    for _, fields in ipairs(redis.call('XINFO', 'GROUPS', jobs)) do
        local values = {}
        for at = 1, #fields, 2 do
            values[fields[at]] = fields[at + 1]
        end
        if values['name'] == group then
            after = '(' .. values['last-delivered-id']
        end
    end
end

local age_ms = 0
local oldest = redis.call('XRANGE', jobs, after, '+', 'COUNT', 1)[1]
if oldest then
    local time = redis.call('TIME')
    local added_ms = string.match(oldest[1], '^%d+')
    age_ms = math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - added_ms)
end
return {math.max(0, length - in_flight), in_flight, age_ms}
