-- Count the jobs that wait and that workers hold, and the age of the oldest waiting job.
--
-- Returns {waiting, in flight, age of the oldest waiting job in ms}

local waiting, in_flight, age_ms = depth(now_ms())
return {waiting, in_flight, math.max(0, age_ms)}
