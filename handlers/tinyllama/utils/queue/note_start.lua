-- Note that EC2 is asked to start the node, before it is asked.
--
-- ARGV    seconds after which nobody counts that start any more
-- Returns 1, or 0 if an earlier start is noted and not counted yet

if redis.call('EXISTS', ASKED) == 1 then
    return 0
end
-- DEL needs no memory: in a cache that is full of waiting jobs the node can still be started.
redis.call('DEL', ASKED)
redis.call('SET', ASKED, '1', 'EX', ARGV[1])
return 1
