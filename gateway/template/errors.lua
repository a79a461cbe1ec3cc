-- Gives an error of the server the body that it wrote for JSON callers: {"code", "reason", "message", "violations"}.

-- What gRPC says by itself, where the server has no words for JSON callers: of a call that comes while the server stops,
-- that outlasts its deadline, whose JSON is smaller than the message that it makes, or that ends in a fault.
local FORM = '{"code":"%s","reason":"%s","message":"%s","violations":[]}'
local AWAY = {"503", "UNAVAILABLE", "SERVER_AWAY", "the server stopped: send the same event ids again a little later"}
local SLOW = {"504", "DEADLINE_EXCEEDED", "TOO_SLOW", "the response took too long: request less, or send the same event ids again"}
local LARGE = {"413", "OUT_OF_RANGE", "BODY_TOO_LARGE", "the body is too large: send fewer events at once"}
local FAILED = {"500", "INTERNAL", "SERVER_FAILED", "the server failed: sending the same event ids again is safe"}
local BY_CODE = {["1"] = AWAY, ["14"] = AWAY, ["4"] = SLOW, ["8"] = LARGE}

function envoy_on_response(handle)
  local headers = handle:headers()
  local body = headers:get("analytics-error")
  if body then
    headers:remove("analytics-error")
  elseif tonumber(headers:get(":status")) >= 400 then
    -- A google.rpc.Status as the transcoder writes it; the code of our own form is a name.
    local buffer = handle:body(true)
    local code = buffer:getBytes(0, buffer:length()):match('^{"code":(%d+)')
    if code then
      local said = BY_CODE[code] or FAILED
      body = FORM:format(said[2], said[3], said[4])
      headers = handle:headers() -- those from before the body are not to be used after waiting
      headers:replace(":status", said[1])
      if said == AWAY or said == SLOW then
        headers:replace("retry-after", "1")
      end
    end
  end
  if body then
    local length = handle:body(true):setBytes(body)
    headers = handle:headers()
    headers:replace("content-type", "application/json")
    headers:replace("content-length", length)
  end
end
