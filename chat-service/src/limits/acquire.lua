-- Lets one through, or says when it will. KEYS[1]: a hash of numbers, the window's start (milliseconds, by the clock of
-- Redis), what was let through since, and what was in the window before. ARGV: the limit, the window in milliseconds.
-- Answers what is left, the milliseconds until the window ends, and those to wait: 0 for one that was let through.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'start', 'count', 'previous')
local start, count, previous = tonumber(stored[1]) or now, tonumber(stored[2]) or 0, tonumber(stored[3]) or 0

-- Another server's clock may be behind the one that counted before.
if now < start or now >= start + 2 * window then
    start, count, previous = now, 0, 0
elseif now >= start + window then
    start, count, previous = start + window, 0, count
end

-- Of the window before, that part counts which began less than a window ago.
local passed = now - start
local room = limit - count - previous * (window - passed) / window
if room >= 1 then
    redis.call('HSET', KEYS[1], 'start', start, 'count', count + 1, 'previous', previous)
    redis.call('PEXPIRE', KEYS[1], 2 * window - passed)
    return { math.floor(room - 1), window - passed, 0 }
end

-- The moment at which there is room for one, in this window or in the next.
local moment
if count < limit then
    moment = window * (1 - (limit - 1 - count) / previous)
else
    moment = window + window * (1 - (limit - 1) / count)
end
return { 0, window - passed, math.max(1, math.ceil(moment - passed)) }
