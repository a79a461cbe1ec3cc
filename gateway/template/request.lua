-- Prepares a REST call for the transcoder: /api/analytics is /analytics, and the query goes to the server in a header as
-- its caller wrote it. The server reads it by the .proto files, and has words for what is wrong with it.

local QUERY = "$query"
-- A server takes 8 KB of headers in all, and now and then refuses more without a word of use.
local MAX_QUERY_BYTES = 7000

function envoy_on_request(handle)
  local headers = handle:headers()
  local path, query = headers:get(":path"):match("^([^?]*)%??(.*)$$")
  headers:replace(":path", (path:gsub("^/api/", "/")))
  headers:remove(QUERY)
  if query ~= "" then
    -- A header of gRPC is printable ASCII.
    query = query:gsub("[^!-~]", function(character)
      return ("%%%02X"):format(character:byte())
    end)
    if #query > MAX_QUERY_BYTES then
      handle:respond({[":status"] = "414"}, "")
      return
    end
    headers:replace(QUERY, query)
  end
end
