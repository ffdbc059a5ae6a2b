-- The counters of GitHub's rate limits, for all nodes. model/limiter.py does the same in memory.
--
--   P:c:C       hash   a credential: silent (until), strikes, a:RATE (theoretical arrival times)
--   P:f:C       zset   its calls in flight: permit by when it expires
--   P:b:C:R     hash   a bucket: limit, remaining, resets, reset_at, rolled, sole
--   P:bf:C:R    zset   its calls in flight
--   P:nodes     zset   node by when it was seen last
--
-- KEYS[1] is the prefix P; ARGV[1] says what to do, ARGV[2] is C, ARGV[3] is R, ARGV[4] how long
-- its window lasts. Times are the server's, in whole microseconds. Losing all of it is harmless.

local SAME_WINDOW, POLL, NODE_SEEN = 5, 250000, 30000000
local STRIKE, STRIKE_CAP, KEEP = 60000000, 900000000, 7200

local prefix, action, who = KEYS[1], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local credential, in_flight, nodes = prefix .. ':c:' .. who, prefix .. ':f:' .. who, prefix .. ':nodes'

local function whole(number) return string.format('%.0f', number) end

local function set(key, ...)
    redis.call('HSET', key, ...)
    redis.call('EXPIRE', key, KEEP)
end

local function number(key, name)
    return tonumber(redis.call('HGET', key, name) or '')
end

local function open(resource, window)
    local bucket = {
        key = prefix .. ':b:' .. who .. ':' .. resource,
        flying = prefix .. ':bf:' .. who .. ':' .. resource,
        window = window,
    }
    redis.call('ZREMRANGEBYSCORE', bucket.flying, '-inf', now)
    local limit, reset_at = number(bucket.key, 'limit'), number(bucket.key, 'reset_at')
    if limit and limit >= 0 and now >= reset_at then
        set(bucket.key, 'remaining', whole(limit - redis.call('ZCARD', bucket.flying)),
            'reset_at', whole(now + window), 'rolled', 1)
    end
    return bucket
end

local function standing(bucket)
    local limit = number(bucket.key, 'limit')
    local remaining = limit and number(bucket.key, 'remaining') or 0
    local left = math.max(0, (number(bucket.key, 'reset_at') or 0) - now)
    local seen = redis.call('ZCOUNT', nodes, '(' .. whole(now - NODE_SEEN), '+inf')
    local silent = math.max(0, (number(credential, 'silent') or 0) - now)
    return limit and whole(limit) or '', whole(math.max(0, remaining)), whole(left),
        whole(math.max(1, seen)), whole(silent)
end

local function see(node)
    if node == '' then return end
    redis.call('ZADD', nodes, now, node)
    redis.call('ZREMRANGEBYSCORE', nodes, '-inf', now - 10 * NODE_SEEN)
    redis.call('EXPIRE', nodes, KEEP)
end

local function primary(bucket, base, slope)
    local limit = number(bucket.key, 'limit')
    if not limit then
        return redis.call('ZCARD', bucket.flying) > 0 and POLL or 0, 'unknown'
    end
    if limit < 0 then return 0, 'budget' end
    local remaining, left = number(bucket.key, 'remaining'), number(bucket.key, 'reset_at') - now
    local share = math.min(1, left / bucket.window)
    local floor = math.ceil(math.floor(limit * (base + slope * share) * 1e6 + 0.5) / 1e6)
    if remaining - 1 >= floor then return 0, 'budget' end
    if remaining < 1 or slope <= 0 then return left, 'budget' end
    local until_share = ((remaining - 1) / limit - base) / slope
    if until_share < 0 then return left, 'budget' end
    -- At least one: a wait that rounds to nothing is still a refusal.
    return math.max(1, left - until_share * bucket.window), 'budget'
end

local function adopt(bucket, permit, said_limit, said_remaining, resets, left)
    local limit, known = number(bucket.key, 'limit'), number(bucket.key, 'resets') or 0
    local others = redis.call('ZCARD', bucket.flying)
    local rolled = redis.call('HGET', bucket.key, 'rolled') == '1'
    local remaining = number(bucket.key, 'remaining') or 0
    if not limit or limit < 0 or resets > known + SAME_WINDOW then
        local most = rolled and remaining or said_remaining
        set(bucket.key, 'limit', whole(said_limit), 'resets', whole(resets), 'rolled', 0,
            'remaining', whole(math.min(most, said_remaining - others)),
            'reset_at', whole(now + left))
    elseif not rolled and resets >= known - SAME_WINDOW then
        if redis.call('HGET', bucket.key, 'sole') == permit then
            remaining = said_remaining
        else
            remaining = math.min(remaining, said_remaining - others)
        end
        set(bucket.key, 'limit', whole(said_limit), 'remaining', whole(remaining),
            'reset_at', whole(math.min(number(bucket.key, 'reset_at'), now + left)))
    end
end

local function refuse(retry_after)
    local silent, strikes = number(credential, 'silent') or 0, number(credential, 'strikes') or 0
    if now >= silent then strikes = strikes + 1 end -- one, however many were under way
    strikes = math.max(1, strikes)
    local seconds = retry_after and math.max(1000000, retry_after)
        or math.min(STRIKE_CAP, STRIKE * 2 ^ math.min(10, strikes - 1))
    set(credential, 'strikes', whole(strikes), 'silent', whole(math.max(silent, now + seconds)))
end

redis.call('ZREMRANGEBYSCORE', in_flight, '-inf', now)
local bucket = open(ARGV[3], tonumber(ARGV[4]))

if action == 'acquire' then
    -- node, permit, expires, most in flight, free, base, slope, then rates: key, interval,
    -- tolerance, units
    local permit, expires, free = ARGV[6], now + ARGV[7], ARGV[9] == '1'
    see(ARGV[5])
    local wait, why = math.max(0, (number(credential, 'silent') or 0) - now), 'silence'
    local function consider(seconds, reason)
        if seconds > wait then wait, why = seconds, reason end
    end
    if redis.call('ZCARD', in_flight) >= tonumber(ARGV[8]) then consider(POLL, 'in_flight') end
    for i = 12, #ARGV, 4 do
        local arrival = number(credential, 'a:' .. ARGV[i]) or 0
        local cost = ARGV[i + 1] * ARGV[i + 3]
        local tolerance = math.max(tonumber(ARGV[i + 2]), cost)
        consider(math.max(arrival, now) + cost - tolerance - now, 'rate')
    end
    if not free then consider(primary(bucket, tonumber(ARGV[10]), tonumber(ARGV[11]))) end
    if wait > 0 then return { 0, whole(math.ceil(wait)), why, standing(bucket) } end
    for i = 12, #ARGV, 4 do
        local name = 'a:' .. ARGV[i]
        local arrival = math.max(number(credential, name) or 0, now)
        set(credential, name, whole(arrival + ARGV[i + 1] * ARGV[i + 3]))
    end
    redis.call('ZADD', in_flight, expires, permit)
    redis.call('EXPIRE', in_flight, KEEP)
    if not free then
        set(bucket.key, 'sole', redis.call('ZCARD', bucket.flying) == 0 and permit or '')
        redis.call('ZADD', bucket.flying, expires, permit)
        redis.call('EXPIRE', bucket.flying, KEEP)
        if number(bucket.key, 'limit') then redis.call('HINCRBY', bucket.key, 'remaining', -1) end
    end
    return { 1, '0', '', standing(bucket) }
end

if action == 'settle' then
    -- permit, charged, answered, refused, retry after, counted in, its window, limit, remaining,
    -- resets, left
    local permit, charged, answered = ARGV[5], ARGV[6] == '1', ARGV[7] == '1'
    redis.call('ZREM', in_flight, permit)
    local held = redis.call('ZREM', bucket.flying, permit) == 1
    local counted, elsewhere = bucket, ARGV[10] ~= ARGV[3]
    if elsewhere then counted = open(ARGV[10], tonumber(ARGV[11])) end
    local limit = number(bucket.key, 'limit')
    if held and limit and (not charged or elsewhere) then
        local remaining = number(bucket.key, 'remaining')
        set(bucket.key, 'remaining', whole(math.min(remaining + 1, limit)))
    end
    if elsewhere and charged and number(counted.key, 'limit') then
        redis.call('HINCRBY', counted.key, 'remaining', -1)
    end
    if ARGV[12] ~= '' then
        adopt(counted, permit, tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]),
            tonumber(ARGV[15]))
    elseif answered and not number(counted.key, 'limit') then
        set(counted.key, 'limit', -1)
    end
    if ARGV[8] == '1' then
        refuse(tonumber(ARGV[9]))
    elseif answered and now >= (number(credential, 'silent') or 0) then
        redis.call('HDEL', credential, 'strikes')
    end
    return { standing(counted) }
end

if action == 'look' then -- node
    see(ARGV[5])
    return { standing(bucket) }
end

return redis.error_reply('no such action: ' .. tostring(action))
