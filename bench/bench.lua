-- wrk script for every measurement of bench/run.
--
--   wrk … -s bench.lua URL -- CALL [TOKENS]
--
-- CALL: static (the URL as it is), charge, balance or check. TOKENS: lines "user token", made by
-- ticket_tool. Requests are put together once, in init; request() only draws one of them. The
-- amount of a charge is drawn for every request, with six digits, so that the length is known.

local draw = math.random

local function read_users(path)
    local users = {}
    for line in io.lines(path) do
        local user, token = line:match("^(%d+) (%S+)$")
        users[#users + 1] = { user = user, token = token }
    end
    return users
end

local function head(method, path, token)
    return method .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] ..
        "\r\nAuthorization: " .. token .. "\r\n"
end

local builders = {
    charge = function(user)
        return head("POST", "/api/v1/users/" .. user.user .. "/points/charges", user.token) ..
            'Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{"amount":'
    end,
    balance = function(user)
        return head("GET", "/api/v1/users/" .. user.user .. "/points", user.token) .. "\r\n"
    end,
    check = function(user)
        return head("POST", "/queue/token/check", user.token) ..
            "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    end,
}

function init(args)
    local call = args[1]
    if call == "static" then
        return
    end
    math.randomseed(tonumber(args[3] or 1))
    local requests = {}
    for _, user in ipairs(read_users(args[2])) do
        requests[#requests + 1] = builders[call](user)
    end
    local count = #requests
    if call == "charge" then
        request = function()
            return requests[draw(count)] .. draw(100000, 999999) .. "}"
        end
    else
        request = function()
            return requests[draw(count)]
        end
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "max_us": %d, ' ..
        '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        latency.max, errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
