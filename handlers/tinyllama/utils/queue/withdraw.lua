-- Take a job back while it waits; a job that a worker holds will be answered.
--
-- ARGV    id
-- Returns 1 if nothing of the job is left, 0 if it does not wait

local id = ARGV[1]
local stored = redis.call('GET', JOB_OF .. id)
if not stored or not leave(id, cjson.decode(stored).sub) then
    return 0
end
redis.call('DEL', JOB_OF .. id)
return 1
