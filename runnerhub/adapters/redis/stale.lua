-- Make cached answers stale: KEYS[1] is the prefix, ARGV are tags. See github_cache.py.

local count = 0
for _, tag in ipairs(ARGV) do
    local tagged = KEYS[1] .. ':t:' .. tag
    for _, key in ipairs(redis.call('SMEMBERS', tagged)) do
        local entry = KEYS[1] .. ':e:' .. key
        if redis.call('EXISTS', entry) == 1 then
            redis.call('HSET', entry, 'until', '0')
            count = count + 1
        else
            redis.call('SREM', tagged, key)
        end
    end
end
return count
