"""What makes an event no JSON object, and how it is told."""

GOOD = b'{"eventType": "view", "data": {"contentType": "post", "contentId": "p,]}\\"1"}}'
DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
FAULTS = {
    b'{"a": NaN}': "a is NaN, which JSON does not support",
    b'{"data": {"scrollDepth": -Infinity}}': "data.scrollDepth is -Infinity, which JSON does not support",
    b'{"userId": "\\ud800"}': "userId holds half of a surrogate pair",
    b'{"userId": "\\udc00\\ud800"}': "userId holds half of a surrogate pair",
    b'{"userId": "\xff"}': "userId is not valid UTF-8: its byte 0xff",
    b'{"a": {"\xed\xa0\x80": 1}}': "a. is not valid UTF-8: its byte 0xed",
    b'{"userId": "a\x01b"}': "userId holds the control character U+0001",
    b'{"userId": "a\nb"}': "userId holds the control character U+000A",
    b'{"userId": "\\x"}': "userId has an invalid escape sequence",
    b'{"userId": "\\u12"}': "userId has an invalid escape sequence",
    b'{"a": [1, 1e400]}': "a[1] is larger than any number",
    b'{"a": ' + b"9" * 5000 + b"}": "a is larger than any number",
    DEEP: "a[0][0][0][0][0][0][0]... nests deeper than",
    b"null": "event is null; expected an object",
    b"17": "event is a number; expected an object",
    b'"x"': "event is a string; expected an object",
    b"[{}]": "event is a list; expected an object",
    b"{'a': 1}": "event is missing a key in double quotes at byte 2",
    b'{"a": 01}': "a is not a JSON value",
    b'{"a": undefined}': "a is not a JSON value",
    b'{"a" 1}': "a is missing the colon",
    b'{"a": 1 "b": 2}': "a must be followed by a comma or }",
    b'{"a": 1} {"b": 2}': "event has extra data after its end",
    b'{"a": }': "a is missing a value",
    b'{"a": [1, ]}': "a[1] is missing a value",
    b'{"a": 1, }': "a is missing a key in double quotes",
    b"": "event is empty",
}
"""What is wrong with an event, and how it is told."""


def body_of(*events: bytes, backfill: bytes = b"false") -> bytes:
    """Write a body of events."""
    return b'{ "events" : [ ' + b" ,\n".join(events) + b' ] , "backfill" : ' + backfill + b" }"
