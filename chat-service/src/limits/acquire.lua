-- Counts a request, or says how long to wait. KEYS[1]: a hash of numbers: the start of the window (milliseconds, by the
-- clock of Redis), the count since then, and the count of the window before. ARGV: the limit, and the window in
-- milliseconds. Returns what remains, the milliseconds until the window ends, and the milliseconds to wait: 0 if the
-- request was counted.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[1], 'start', 'count', 'previous')
local start, count, previous = tonumber(stored[1]) or now, tonumber(stored[2]) or 0, tonumber(stored[3]) or 0

-- After a failover, the clock of the new server may be behind.
if now < start or now >= start + 2 * window then
    start, count, previous = now, 0, 0
elseif now >= start + window then
    start, count, previous = start + window, 0, count
end

-- The share of the previous window that lies less than a window in the past counts too.
local passed = now - start
local room = limit - count - previous * (window - passed) / window
if room >= 1 then
    redis.call('HSET', KEYS[1], 'start', start, 'count', count + 1, 'previous', previous)
    redis.call('PEXPIRE', KEYS[1], 2 * window - passed)
    return { math.floor(room - 1), window - passed, 0 }
end

-- The time at which one more fits, in this window or the next.
local moment
if count < limit then
    moment = window * (1 - (limit - 1 - count) / previous)
else
    moment = window + window * (1 - (limit - 1) / count)
end
return { 0, window - passed, math.max(1, math.ceil(moment - passed)) }
