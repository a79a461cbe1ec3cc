"""What makes an event no JSON object, and how it is told."""

GOOD = b'{"eventType": "view", "data": {"contentType": "post", "contentId": "p,]}\\"1"}}'
DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
FAULTS = {
    b'{"a": NaN}': "a is NaN, which JSON does not have",
    b'{"data": {"scrollDepth": -Infinity}}': "data.scrollDepth is -Infinity, which JSON does not have",
    b'{"userId": "\\ud800"}': "userId holds half of a surrogate pair",
    b'{"userId": "\\udc00\\ud800"}': "userId holds half of a surrogate pair",
    b'{"userId": "\xff"}': "userId is no UTF-8 text: its byte 0xff",
    b'{"a": {"\xed\xa0\x80": 1}}': "a. is no UTF-8 text: its byte 0xed",
    b'{"userId": "a\x01b"}': "userId holds the control character U+0001",
    b'{"userId": "a\nb"}': "userId holds the control character U+000A",
    b'{"userId": "\\x"}': "userId holds an escape that JSON does not have",
    b'{"userId": "\\u12"}': "userId holds an escape that JSON does not have",
    b'{"a": [1, 1e400]}': "a[1] is larger than any number",
    b'{"a": ' + b"9" * 5000 + b"}": "a is larger than any number",
    DEEP: "a[0][0][0][0][0][0][0]... nests deeper than",
    b"null": "event is null; an object is needed",
    b"17": "event is a number; an object is needed",
    b'"x"': "event is a text; an object is needed",
    b"[{}]": "event is a list; an object is needed",
    b"{'a': 1}": "event needs a name in double quotes at byte 2",
    b'{"a": 01}': "a is no JSON value",
    b'{"a": undefined}': "a is no JSON value",
    b'{"a" 1}': "a lacks the colon",
    b'{"a": 1 "b": 2}': "a is followed by neither a comma nor }",
    b'{"a": 1} {"b": 2}': "event goes on after its end",
    b'{"a": }': "a lacks a value",
    b'{"a": [1, ]}': "a[1] lacks a value",
    b'{"a": 1, }': "a needs a name in double quotes",
    b"": "event is empty",
}
"""What is wrong with an event, and how it is told."""


def body_of(*events: bytes, backfill: bytes = b"false") -> bytes:
    """Write a body of events."""
    return b'{ "events" : [ ' + b" ,\n".join(events) + b' ] , "backfill" : ' + backfill + b" }"
