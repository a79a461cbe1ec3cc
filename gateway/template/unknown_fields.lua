-- Tells the server which fields of a JSON body its message does not have: the transcoder drops them without a word.
-- The header names each by its path, with the places in the list of events where it stands: "events.usrId:0-4,7;backfil:".
-- $$MESSAGES and $$BODIES come from the descriptors: a message's fields by name, with the message that a field holds
-- (false: a value, or JSON of any form), and the message in each path's body, with where it stands in the request.

local MESSAGES = $messages
local BODIES = $bodies
local HEADER = "$header"
local MAX_BYTES = 4096 -- a server takes 8 KB of headers in all; past it the server refuses the request as a whole
local MAX_NAME = 40

local find, sub, byte, match = string.find, string.sub, string.byte, string.match
local QUOTE, BACKSLASH, BRACE, BRACKET, COMMA, END_BRACE, END_BRACKET = byte('"\\{[,}]', 1, -1)

-- Each of these takes where something begins and returns where it ends, or nil where the text is not JSON: then the
-- transcoder says so.

local function string_end(text, at)
  repeat
    at = find(text, '["\\]', at + 1)
    if not at or byte(text, at) == QUOTE then
      return at
    end
    at = at + 1
  until false
end

local function value_end(text, at)
  local first = byte(text, at)
  if first == QUOTE then
    return string_end(text, at)
  elseif first ~= BRACE and first ~= BRACKET then
    local stop = find(text, "[%s,%]}]", at)
    return (stop or #text + 1) - 1
  end
  local depth = 0
  repeat
    local found = byte(text, at)
    if found == QUOTE then
      at = string_end(text, at)
      if not at then
        return nil
      end
    elseif found == BRACE or found == BRACKET then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then
        return at
      end
    end
    at = find(text, '["{}%[%]]', at + 1)
  until not at
end

-- Takes where an item ends; returns where the next one begins, or nil and where the list or object ends.
local function after_item(text, at, closing)
  at = at and find(text, "%S", at + 1)
  local found = at and byte(text, at)
  if found == closing then
    return nil, at
  end
  return found == COMMA and find(text, "%S", at + 1) or nil
end

local message_end

local function list_end(text, at, message, path, note)
  local place, stop = 0, nil
  at = find(text, "%S", at + 1)
  if at and byte(text, at) == END_BRACKET then
    return at
  end
  while at do
    stop = message_end(text, at, message, path, function(unknown)
      note(unknown, place)
    end)
    at, stop = after_item(text, stop, END_BRACKET)
    place = place + 1
  end
  return stop
end

function message_end(text, at, message, path, note)
  local first = byte(text, at)
  if first == BRACKET then
    return list_end(text, at, message, path, note)
  elseif first ~= BRACE then
    return value_end(text, at)
  end
  local fields, stop = MESSAGES[message], nil
  at = find(text, "%S", at + 1)
  if at and byte(text, at) == END_BRACE then
    return at
  end
  while at and byte(text, at) == QUOTE do
    local name_end = string_end(text, at)
    local value = name_end and match(text, "^%s*:%s*()", name_end + 1)
    if not value then
      return nil
    end
    local name = sub(text, at + 1, name_end - 1)
    local inner = fields[name]
    if inner then
      stop = message_end(text, value, inner, path .. name .. ".", note)
    else
      if inner == nil then
        note(path .. sub(name, 1, MAX_NAME):gsub("[^%w_]", "?"))
      end
      stop = value_end(text, value)
    end
    at, stop = after_item(text, stop, END_BRACE)
  end
  return stop
end

-- Places ascend: those beside each other are written as a range.
local function describe(unknown)
  local told, size = {}, 0
  for _, path in ipairs(unknown) do
    local ranges = {}
    for _, range in ipairs(unknown[path]) do
      table.insert(ranges, range[1] == range[2] and range[1] or range[1] .. "-" .. range[2])
    end
    local entry = path .. ":" .. table.concat(ranges, ",")
    size = size + #entry + 1
    if size > MAX_BYTES then
      table.insert(told, "...")
      break
    end
    table.insert(told, entry)
  end
  return table.concat(told, ";")
end

function envoy_on_request(handle)
  handle:headers():remove(HEADER)
  local body = BODIES[match(handle:headers():get(":path"), "^[^?]*")]
  local buffer = body and handle:body()
  if not buffer then
    return
  end
  local text = buffer:getBytes(0, buffer:length())
  local unknown = {}
  local function note(path, place)
    local ranges = unknown[path]
    if not ranges then
      ranges = {}
      unknown[path] = ranges
      table.insert(unknown, path)
    end
    if place then
      local last = ranges[#ranges]
      if last and place <= last[2] + 1 then
        last[2] = place
      else
        table.insert(ranges, {place, place})
      end
    end
  end
  local first = find(text, "%S")
  if first and byte(text, first) == BRACE then
    message_end(text, first, body[1], body[2], note)
  end
  if unknown[1] then
    handle:headers():replace(HEADER, describe(unknown))
  end
end
