-- What wrk asks of ferry-notes: every fourth request adds a note, the others read what
-- has been acknowledged.  SPDX-License-Identifier: MIT
--
--     wrk ... -s load.lua URL -- FILE
--
-- The answers to those that add go into FILE.1, FILE.2...: one for each of wrk's
-- threads, one line for each note. done() says how many were not as expected.

local threads = {}

function setup(thread)
    table.insert(threads, thread)
    thread:set("number", #threads)
end

function init(arguments)
    count, last, unexpected, first = 0, 1, 0, ""
    acknowledged = io.open(arguments[1] .. "." .. number, "w")
    acknowledged:setvbuf("line")
end

function request()
    count = count + 1
    if count % 4 == 1 then
        local text = string.format('{"text": "note %d of thread %d"}', count, number)
        return wrk.format("POST", "/notes", nil, text)
    elseif count % 4 == 3 then
        return wrk.format("GET", "/notes?since=" .. math.max(0, last - 20))
    elseif count % 40 == 0 then
        return wrk.format("GET", "/stats")
    end
    return wrk.format("GET", "/notes/" .. last)
end

function response(status, headers, body)
    if status == 201 then
        acknowledged:write(body, "\n")
        last = tonumber(body:match('"id":(%d+)'))
    elseif status ~= 200 then
        if unexpected == 0 then first = status .. " " .. body end
        unexpected = unexpected + 1
    end
end

function done(summary, latency, requests)
    local number = 0
    for _, thread in ipairs(threads) do
        number = number + thread:get("unexpected")
        local first = thread:get("first")
        if first ~= "" then print("for example: " .. first) end
    end
    local errors = summary.errors
    print(string.format("unexpected: %d, connect: %d, read: %d, write: %d, timeout: %d",
        number, errors.connect, errors.read, errors.write, errors.timeout))
end
