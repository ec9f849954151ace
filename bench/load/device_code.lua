-- POST /device/code, each from a different machine. Prints the time from the first of COUNT requests to the last, because
-- wrk itself runs only for whole seconds. Arguments: client_id, COUNT, a number that is different for each run.
local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long sec; long nsec; } bench_time;
  int clock_gettime(int clock, bench_time *time);
]])

local function now()
  local time = ffi.new("bench_time")
  ffi.C.clock_gettime(1, time)
  return tonumber(time.sec) + tonumber(time.nsec) / 1e9
end

local client, count, run, sent, began

function init(args)
  client, count, run, sent = args[1], tonumber(args[2]), tonumber(args[3]), 0
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
end

function request()
  sent = sent + 1
  if sent == 1 then began = now() end
  if sent == count then
    io.stdout:write(string.format("elapsed %.6f\n", now() - began))
    io.stdout:flush()
    wrk.thread:stop()
  end
  local uuid = string.format("%08x-%04x-4000-8000-%012x", sent, run, run)
  local mac = string.format("02%%3A%02x%%3A%02x%%3A%02x%%3A%02x%%3A%02x", run % 256, 0, math.floor(sent / 65536) % 256,
    math.floor(sent / 256) % 256, sent % 256)
  local body = "client_id=" .. client .. "&mac=" .. mac .. "&serial=B" .. run .. "-" .. sent .. "&uuid=" .. uuid
  return wrk.format("POST", nil, nil, body)
end

function done(summary)
  io.stdout:write(string.format("failed %d\n", summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout))
end
