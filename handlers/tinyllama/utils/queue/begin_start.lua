-- Take the right to look for the node and start it, or read the outcome of who has it.
--
-- ARGV    seconds after which another may look
-- Returns nil to the one that may look, else the outcome; empty while the other looks

local outcome = redis.call('GET', START)
if outcome then
    return outcome
end
-- DEL needs no memory: in a cache that is full of waiting jobs the node can still be started.
redis.call('DEL', START)
redis.call('SET', START, '', 'EX', ARGV[1])
return false
