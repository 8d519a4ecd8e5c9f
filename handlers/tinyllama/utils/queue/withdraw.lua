-- Take a job back while it waits; a job that a worker holds will be answered, and a job that a
-- second request was promised stays.
--
-- ARGV    id
-- Returns 1 if nothing of the job is left, 0 if it does not wait or stays

local id = ARGV[1]
local stored = redis.call('GET', JOB_OF .. id)
if not stored then
    return 0
end
local job = cjson.decode(stored)
if job.promised or not leave(id, job.sub) then
    return 0
end
redis.call('DEL', JOB_OF .. id)
return 1
