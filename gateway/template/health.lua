-- Answers GET /events/health with what the server's gRPC health service says at this moment.

local SERVING = "\0\0\0\0\2\8\1" -- a HealthCheckResponse with the status SERVING, in a gRPC frame
local TIMEOUT_MS = 2000

-- Takes a name of fewer than 126 characters.
local function serves(handle, name)
  local request = "\0\0\0\0" .. string.char(#name + 2) .. "\10" .. string.char(#name) .. name
  local _, body = handle:httpCall("server", {
    [":method"] = "POST",
    [":path"] = "/grpc.health.v1.Health/Check",
    [":authority"] = "server",
    ["content-type"] = "application/grpc",
    ["te"] = "trailers",
  }, request, TIMEOUT_MS)
  return body == SERVING
end

function envoy_on_request(handle)
  if not serves(handle, "ingest") then
    -- Gets its body and retry-after where all of them do: from the local replies.
    handle:respond({[":status"] = "503", ["cache-control"] = "no-store"}, "")
    return
  end
  local storage = serves(handle, "storage") and "SERVING" or "NOT_SERVING"
  handle:respond({
    [":status"] = "200",
    ["content-type"] = "application/json",
    ["cache-control"] = "no-store",
  }, '{"status":"SERVING","storage":"' .. storage .. '"}')
end
