-- Fail a job that this worker cannot read: its owner is told, and no start of a worker meets it again.
--
-- ARGV    id, owner
-- Returns 1 if the owner is told now, else 0

return fail(ARGV[1], ARGV[2], now_ms(), 'not_started', '')
