-- wrk script for every measurement of bench/run, with one thread.
--
--   wrk … -s bench.lua URL -- CALL TOKENS SEED FIRST [SCHEDULES]
--
-- CALL: static (the URL as it is) or one of the calls below. TOKENS: lines "user token". SCHEDULES:
-- a line with the id of each schedule of 50 seats. Calls that can be made once only (confirm, hold,
-- issue) count from FIRST; the others are drawn. Requests are put together once, in init, as far as
-- they are known, but of what can be used once only there is too much for that: each time Lua's
-- collector met a table of a million tokens, nothing was sent for 130 ms.

local draw = math.random
local SEATS = 50
local SEAT_BASE = 131072 -- a seat's id is its schedule's times this, plus its number from 1

local function read_users(path)
    local users = {}
    for line in io.lines(path) do
        local user, token = line:match("^(%d+) (%S+)$")
        users[#users + 1] = { user = user, token = token }
    end
    return users
end

local function read_lines(path)
    local lines = {}
    for line in io.lines(path) do
        lines[#lines + 1] = tonumber(line)
    end
    return lines
end

local function head(method, path, token)
    return method .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] ..
        (token and "\r\nAuthorization: " .. token or "") .. "\r\n"
end

local function body_head(size)
    return "Content-Type: application/json\r\nContent-Length: " .. size .. "\r\n\r\n"
end

local function each(list, build)
    local requests = {}
    for index, item in ipairs(list) do
        requests[index] = build(item)
    end
    return requests
end

local function one_of(requests)
    local count = #requests
    return function()
        return requests[draw(count)]
    end
end

-- Each call's maker of requests.
local calls = {}

-- The amount has six digits, so that the length is known.
function calls.charge(tokens)
    local requests = each(read_users(tokens), function(user)
        return head("POST", "/api/v1/users/" .. user.user .. "/points/charges", user.token) ..
            body_head(17) .. '{"amount":'
    end)
    local count = #requests
    return function()
        return requests[draw(count)] .. draw(100000, 999999) .. "}"
    end
end

function calls.balance(tokens)
    return one_of(each(read_users(tokens), function(user)
        return head("GET", "/api/v1/users/" .. user.user .. "/points", user.token) .. "\r\n"
    end))
end

function calls.check(tokens)
    return one_of(each(read_users(tokens), function(user)
        return head("POST", "/queue/token/check", user.token) .. body_head(0)
    end))
end

-- The ids of demo holds are those of their users; the first `first` lines are used up.
function calls.confirm(tokens, first)
    local next_line = io.lines(tokens)
    for _ = 1, first do
        next_line()
    end
    local start = "POST /api/v1/reservations/"
    local middle = "/confirm HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: "
    return function()
        local line = next_line() -- nil, an error, when there are no more
        local at = line:find(" ", 1, true)
        return start .. line:sub(1, at - 1) .. middle .. line:sub(at + 1) .. "\r\n\r\n"
    end
end

function calls.hold(tokens, first, schedules)
    local heads = each(read_users(tokens), function(user)
        return head("POST", "/api/v1/reservations", user.token)
    end)
    local count, at = #heads, first
    return function()
        local schedule = schedules[math.floor(at / SEATS) + 1]
        local body = string.format('{"scheduleId":%d,"seatIds":[%.0f]}', schedule,
            schedule * SEAT_BASE + at % SEATS + 1)
        at = at + 1
        return heads[at % count + 1] .. body_head(#body) .. body
    end
end

function calls.seat(_, _, schedules)
    return one_of(each(schedules, function(schedule)
        return head("GET", string.format("/concerts/seat?=%.0f",
            schedule * SEAT_BASE + draw(SEATS))) .. "\r\n"
    end))
end

function calls.map(tokens, _, schedules)
    local users, at = read_users(tokens), 0
    return one_of(each(schedules, function(schedule)
        at = at % #users + 1
        return head("GET", "/api/v1/schedules/" .. schedule .. "/seats", users[at].token) .. "\r\n"
    end))
end

function calls.issue(_, first)
    local start, at = head("POST", "/api/v1/queue/tokens"), first
    return function()
        at = at + 1
        local body = string.format('{"userId":%.0f}', at)
        return start .. body_head(#body) .. body
    end
end

function init(args)
    local call = args[1]
    if call == "static" then
        return
    end
    math.randomseed(tonumber(args[3]))
    request = calls[call](args[2], tonumber(args[4]), args[5] and read_lines(args[5]))
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, ' ..
        '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        latency.max, errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
