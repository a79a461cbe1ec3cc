-- Answers GET /events/health with what the server's gRPC health service says at this moment.

local NO_FIELDS = "\0\0\0\0\0" -- a HealthCheckRequest about the whole server, in a gRPC frame
local SERVING = "\0\0\0\0\2\8\1" -- a HealthCheckResponse with the status SERVING, in a gRPC frame
local TIMEOUT_MS = 2000

function envoy_on_request(handle)
  local _, body = handle:httpCall("server", {
    [":method"] = "POST",
    [":path"] = "/grpc.health.v1.Health/Check",
    [":authority"] = "server",
    ["content-type"] = "application/grpc",
    ["te"] = "trailers",
  }, NO_FIELDS, TIMEOUT_MS)
  local serving = body == SERVING
  -- A 503 gets its body and retry-after where all of them do: from the local replies.
  handle:respond({
    [":status"] = serving and "200" or "503",
    ["content-type"] = "application/json",
    ["cache-control"] = "no-store",
  }, serving and '{"status":"SERVING"}' or "")
end
