-- The queue. All of it is rebuilt from the ledger when it is lost.
--
--   P:entries           hash   job id -> [repository, placement, priority, accepted_ms]
--   P:delayed           zset   job id by when it is due
--   P:claimed           zset   job id by when its claim expires
--   P:depths            hash   placement class -> how many are ready
--   P:levels:C          set    the priorities that have somebody ready in class C
--   P:turns:C:p         zset   repository by its turn: the least is next
--   P:heads:C:p         zset   repository by the age of its oldest job
--   P:jobs:C:p:R        zset   job id by age
--   P:turn              int    the last turn that was given out
--   P:mark              text   left by whoever reconciles: without it all was lost
--
-- KEYS[1] is the prefix P; ARGV[1] says what to do. Times are the server's, in milliseconds.

local prefix = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local entries, delayed, claimed = prefix .. ':entries', prefix .. ':delayed', prefix .. ':claimed'
local depths = prefix .. ':depths'

local function level_keys(placement, priority)
    local tail = placement .. ':' .. priority
    return prefix .. ':turns:' .. tail, prefix .. ':heads:' .. tail, prefix .. ':jobs:' .. tail .. ':'
end

local function refresh_head(heads, jobs, repository)
    local head = redis.call('ZRANGE', jobs .. repository, 0, 0, 'WITHSCORES')
    if #head == 0 then
        redis.call('ZREM', heads, repository)
        return false
    end
    redis.call('ZADD', heads, head[2], repository)
    return true
end

local function make_ready(id, text)
    local entry = cjson.decode(text)
    local repository, placement, priority, accepted = entry[1], entry[2], entry[3], entry[4]
    local turns, heads, jobs = level_keys(placement, priority)
    if redis.call('ZADD', jobs .. repository, accepted, id) == 0 then return end
    redis.call('HINCRBY', depths, placement, 1)
    redis.call('SADD', prefix .. ':levels:' .. placement, priority)
    if not redis.call('ZSCORE', turns, repository) then
        redis.call('ZADD', turns, redis.call('INCR', prefix .. ':turn'), repository)
    end
    refresh_head(heads, jobs, repository)
end

local function not_ready(id, repository, placement, priority)
    local turns, heads, jobs = level_keys(placement, priority)
    if redis.call('ZREM', jobs .. repository, id) == 0 then return end
    if not refresh_head(heads, jobs, repository) then
        redis.call('ZREM', turns, repository)
        if redis.call('EXISTS', turns) == 0 then
            redis.call('SREM', prefix .. ':levels:' .. placement, priority)
        end
    end
    if redis.call('HINCRBY', depths, placement, -1) <= 0 then
        redis.call('HDEL', depths, placement)
    end
end

local function promote()
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 1000)) do
        redis.call('ZREM', delayed, id)
        local text = redis.call('HGET', entries, id)
        if text then make_ready(id, text) end
    end
end

local function best_level(placement, aging_ms)
    local best, best_score
    for _, text in ipairs(redis.call('SMEMBERS', prefix .. ':levels:' .. placement)) do
        local priority = tonumber(text)
        local _, heads = level_keys(placement, text)
        local oldest = redis.call('ZRANGE', heads, 0, 0, 'WITHSCORES')[2]
        local score = priority + math.max(0, now - oldest) / aging_ms
        if not best or score > best_score
            or (score == best_score and priority > tonumber(best)) then
            best, best_score = text, score
        end
    end
    return best
end

local action = ARGV[1]

if action == 'push' then -- id, delay_ms, entry, …
    promote()
    for i = 2, #ARGV, 3 do
        local id, delay = ARGV[i], tonumber(ARGV[i + 1])
        if redis.call('HSETNX', entries, id, ARGV[i + 2]) == 1 then
            if delay > 0 then
                redis.call('ZADD', delayed, now + delay, id)
            else
                make_ready(id, ARGV[i + 2])
            end
        end
    end
    return 0
end

if action == 'claim' then -- lease_ms, aging_ms, class, limit, …
    promote()
    local lease_ms, aging_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
    local taken = {}
    for i = 4, #ARGV, 2 do
        local placement = ARGV[i]
        for _ = 1, tonumber(ARGV[i + 1]) do
            local priority = best_level(placement, aging_ms)
            if not priority then break end
            local turns, _, jobs = level_keys(placement, priority)
            local repository = redis.call('ZRANGE', turns, 0, 0)[1]
            local id = redis.call('ZRANGE', jobs .. repository, 0, 0)[1]
            redis.call('ZADD', turns, redis.call('INCR', prefix .. ':turn'), repository)
            not_ready(id, repository, placement, priority)
            redis.call('ZADD', claimed, now + lease_ms, id)
            taken[#taken + 1] = id
            taken[#taken + 1] = redis.call('HGET', entries, id)
        end
    end
    return taken
end

if action == 'acknowledge' then -- id, …
    for i = 2, #ARGV do
        local id = ARGV[i]
        local text = redis.call('HGET', entries, id)
        if text then
            local entry = cjson.decode(text)
            not_ready(id, entry[1], entry[2], entry[3])
            redis.call('HDEL', entries, id)
        end
        redis.call('ZREM', delayed, id)
        redis.call('ZREM', claimed, id)
    end
    return 0
end

if action == 'restore' then
    local expired = redis.call('ZRANGEBYSCORE', claimed, '-inf', now, 'LIMIT', 0, 1000)
    for _, id in ipairs(expired) do
        redis.call('ZREM', claimed, id)
        local text = redis.call('HGET', entries, id)
        if text then make_ready(id, text) end
    end
    return #expired
end

if action == 'look' then -- the mark, or nothing; then class, depth, …
    promote()
    local found = redis.call('HGETALL', depths)
    table.insert(found, 1, redis.call('GET', prefix .. ':mark') or '')
    return found
end

if action == 'mark' then -- the mark
    redis.call('SET', prefix .. ':mark', ARGV[2])
    return 0
end

return redis.error_reply('no such action: ' .. tostring(action))
