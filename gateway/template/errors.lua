-- Gives an error of the server the body that it wrote for JSON callers: {"code", "reason", "message", "violations"}.

-- What gRPC says by itself of a call that comes while the server stops, and has no words for JSON callers.
local CANCELLED, UNAVAILABLE = "499", "503"
local SERVER_AWAY = '{"code":"UNAVAILABLE","reason":"SERVER_AWAY","message":"the server stopped:'
  .. ' send the same event ids again a little later","violations":[]}'

function envoy_on_response(handle)
  local headers = handle:headers()
  local body = headers:get("analytics-error")
  local status = headers:get(":status")
  if body then
    headers:remove("analytics-error")
  elseif status == CANCELLED or (status == UNAVAILABLE and not headers:get("retry-after")) then
    body = SERVER_AWAY
    headers:replace(":status", UNAVAILABLE)
    headers:replace("retry-after", "1")
    headers:replace("content-type", "application/json")
  end
  if body then
    local length = handle:body(true):setBytes(body)
    handle:headers():replace("content-length", length) -- those from before the body are not to be used after waiting
  end
end
