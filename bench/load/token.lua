-- POST /token for the device codes in a file, in turn. Prints the time from the first of COUNT requests to the last.
-- Arguments: client_id, file, COUNT, where to begin.
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

local bodies, at, sent, count, began = {}, 0, 0, 0, 0

function init(args)
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  for code in io.lines(args[2]) do
    bodies[#bodies + 1] = wrk.format("POST", nil, nil, "client_id=" .. args[1] .. "&device_code=" .. code
      .. "&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code")
  end
  count = tonumber(args[3])
  at = tonumber(args[4]) % #bodies
end

function request()
  sent = sent + 1
  if sent == 1 then began = now() end
  if sent == count then
    io.stdout:write(string.format("elapsed %.6f\n", now() - began))
    io.stdout:flush()
    wrk.thread:stop()
  end
  at = at % #bodies + 1
  return bodies[at]
end

function done(summary)
  io.stdout:write(string.format("failed %d\n", summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout))
end
