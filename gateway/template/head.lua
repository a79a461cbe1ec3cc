-- Answers HEAD: as GET, with the headers alone.

local prepare, answer = envoy_on_request, envoy_on_response

function envoy_on_request(handle)
  handle:headers():replace(":method", "GET")
  prepare(handle)
end

function envoy_on_response(handle)
  answer(handle)
  local body = handle:body(true)
  local length = body:length()
  body:setBytes("")
  handle:headers():replace("content-length", length) -- setBytes has changed it
end
