-- Gives an error of the server the body that it wrote for JSON callers: {"code", "reason", "message", "violations"}.

function envoy_on_response(handle)
  local headers = handle:headers()
  local body = headers:get("analytics-error")
  if body then
    headers:remove("analytics-error")
    headers:replace("content-length", handle:body(true):setBytes(body))
  end
end
