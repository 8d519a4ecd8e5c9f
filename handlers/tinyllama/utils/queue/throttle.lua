-- Library: how many requests of one owner pass.

local PER_SECOND, PER_MINUTE = 5, 20
local SECOND_US, MINUTE_US = 1000000, 60000000

-- Times of the requests that passed within (now - 60 s, now], oldest first, read from a text of at
-- most 20 times. A time ahead of now comes from before the clock was set back: counting it could
-- refuse this owner for as long as that step.
local function passed_requests(text, now)
    local passed, count = {}, 0
    if text then
        for at in string.gmatch(text, '%d+') do
            local at_us = tonumber(at)
            if at_us > now - MINUTE_US and at_us <= now then
                count = count + 1
                passed[count] = at
            end
        end
    end
    return passed, count
end

-- Whole seconds until one request would pass; 0 if it passes now.
local function seconds_to_wait(passed, count, now)
    local free_at = now
    if count >= PER_SECOND then
        free_at = math.max(free_at, passed[count - PER_SECOND + 1] + SECOND_US)
    end
    if count >= PER_MINUTE then
        free_at = math.max(free_at, passed[count - PER_MINUTE + 1] + MINUTE_US)
    end
    return math.ceil((free_at - now) / SECOND_US)
end

local function count_request(sub, passed, count, now)
    -- Lua would print 1.7e+15. One second more than the window: a key dies on a millisecond, the
    -- window ends on a microsecond.
    passed[count + 1] = string.format('%.0f', now)
    redis.call('SET', THROTTLE_OF .. sub, table.concat(passed, ' '), 'EX', 61)
end
