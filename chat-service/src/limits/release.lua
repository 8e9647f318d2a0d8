-- Uncounts a request that passed. KEYS[1]: as in acquire.lua.
if (tonumber(redis.call('HGET', KEYS[1], 'count')) or 0) > 0 then
    redis.call('HINCRBY', KEYS[1], 'count', -1)
end
