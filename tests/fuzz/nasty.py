"""Writes the corpus: input that has broken other services. Run `python -m tests.fuzz.nasty` after a change of it."""

import json
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.struct_pb2 import Struct, Value

from sociallive.analytics.v1.engagement_event_pb2 import EngagementEvent
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

CORPUS = Path(__file__).parent / "corpus"
"""`*.bin` are messages as bytes, `*.json` are values of `data`."""
MANY_KEYS = 10_000
WIRE_DEPTH = 90
"""Messages in each other: fewer than a parser takes, more than any rule allows."""
BEYOND_WIRE_DEPTH = 5_000

VARINT, LENGTH, GROUP_START = 0, 2, 3
USER_ID, TIMESTAMP, VIEW, DATA = 4, 6, Event.VIEW_FIELD_NUMBER, Event.DATA_FIELD_NUMBER
"""Numbers of fields of Event."""


def view(**fields: object) -> Event:
    """Make an event that is good but for what is done to it."""
    return Event(user_id="user-1", view=ViewEvent(content_type="post", content_id="post-1"), **fields)  # type: ignore[arg-type] # whatever is asked for


def varint(number: int) -> bytes:
    """Write a varint, of any size."""
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def tagged(field: int, wire_type: int, content: bytes) -> bytes:
    """Write a field; a length stands before the content of those that have one."""
    return varint(field << 3 | wire_type) + (varint(len(content)) if wire_type == LENGTH else b"") + content


def request(event: bytes) -> bytes:
    """Write a request around an event: the first field of both requests."""
    return tagged(1, LENGTH, event)


def nested(depth: int) -> bytes:
    """Write a Value of lists in each other."""
    wire = b""
    for _ in range(depth):
        wire = tagged(6, LENGTH, tagged(1, LENGTH, wire))
    return wire


def engagement(metadata: Struct) -> bytes:
    """Write a request with an engagement."""
    event = Event(engagement=EngagementEvent(action="like", target_type="post", target_id="1", metadata=metadata))
    return TrackRequest(event=event).SerializeToString(deterministic=True)


def nasty_wires() -> Iterator[tuple[str, bytes]]:
    """Make messages, by name."""
    good = view().SerializeToString()
    yield "good", request(good)
    yield "good_batch", TrackBatchRequest(events=[view(), view(sequence=-1), Event()]).SerializeToString()
    yield "empty", b""
    yield "truncated_text", request(good)[:-3]
    yield "truncated_tag", request(good) + b"\x80"
    yield "length_beyond_end", varint(1 << 3 | LENGTH) + varint(2**31 - 1) + good
    yield "length_of_ten_bytes", varint(1 << 3 | LENGTH) + varint(2**64 - 1) + good
    yield "varint_of_eleven_bytes", request(good + varint(8 << 3 | VARINT) + b"\xff" * 10 + b"\x01")
    yield "largest_sequence", request(good + tagged(8, VARINT, varint(2**64 - 1)))
    yield "field_number_0", request(good + b"\x00\x00")
    yield "unknown_fields", request(good + b"".join(tagged(number, VARINT, b"\x01") for number in range(1000, 1200)))
    yield "unknown_group", request(good + tagged(1000, GROUP_START, b"") * 40)
    yield "wrong_wire_type", request(tagged(VIEW, VARINT, b"\x01") + tagged(USER_ID, VARINT, b"\x01"))
    yield "invalid_utf8", request(good + tagged(USER_ID, LENGTH, b"\xff\xfe\x80"))
    yield "surrogate_utf8", request(good + tagged(USER_ID, LENGTH, b"\xed\xa0\x80"))
    yield "overlong_utf8", request(good + tagged(USER_ID, LENGTH, b"\xc0\x80"))
    yield "repeated_field", request(good + tagged(USER_ID, LENGTH, b"user-2") * 20)
    yield "two_payloads", request(good + Event(purchase=PurchaseEvent(amount=float("nan"))).SerializeToString())
    yield "payload_and_data", request(good + tagged(DATA, LENGTH, b""))
    yield "timestamp_out_of_range", request(good + tagged(TIMESTAMP, LENGTH, tagged(1, VARINT, varint(2**63 - 1))))
    yield "negative_nanos", request(good + tagged(TIMESTAMP, LENGTH, tagged(2, VARINT, varint(2**64 - 1))))
    entry = tagged(1, LENGTH, b"deep")
    for name, depth in (("deep", WIRE_DEPTH // 2), ("too_deep_to_parse", BEYOND_WIRE_DEPTH)):
        member = tagged(1, LENGTH, entry + tagged(2, LENGTH, nested(depth)))
        yield name, request(tagged(2, LENGTH, b"view") + tagged(DATA, LENGTH, member))
    twice = tagged(1, LENGTH, tagged(1, LENGTH, b"contentId") + tagged(2, LENGTH, tagged(3, LENGTH, b"x")))
    yield "key_twice", request(tagged(2, LENGTH, b"view") + tagged(DATA, LENGTH, twice * 2))
    yield "empty_values", engagement(Struct(fields={"a": Value(), "": Value(), "\0": Value(string_value="\0")}))
    many = Struct()
    many.update({f"k{number}": 1 for number in range(300)})
    yield "many_keys", engagement(many)


def nasty_jsons() -> Iterator[tuple[str, object]]:
    """Make values of `data`, by name."""
    content = {"contentType": "post", "contentId": "post-1"}
    yield "empty", {}
    yield "nan", {**content, "viewDuration": float("nan"), "scrollDepth": float("-inf")}
    yield "nan_as_text", {**content, "viewDuration": "NaN", "scrollDepth": "-Infinity"}
    yield "huge_number", {**content, "viewDuration": 1.7e308, "scrollDepth": "1e9999"}
    yield "lone_surrogate", {"contentType": "\ud800", "contentId": "post-1"}
    yield "nul", {"contentType": "a\0b", "content\0Id": "x"}
    yield "both_names", {**content, "content_id": "post-2"}
    yield "wrong_types", {"contentType": [], "contentId": {}, "viewDuration": True, "scrollDepth": None, "referrer": 1}
    yield "list_of_lists", {"conversionPath": [[[["x"]]], None, {}, 1], "metadata": [[]]}
    yield "long_key", {"k" * 5000: 1, "\U0001f600" * 1000: 2}
    yield "known_names_almost", {f"contentI{letter}": letter for letter in "abcefghijklmnopqrstuvwxyz" * 2}


def main() -> None:
    """Write the corpus anew."""
    CORPUS.mkdir(exist_ok=True)
    for name, wire in nasty_wires():
        (CORPUS / f"{name}.bin").write_bytes(wire)
    for json_name, value in nasty_jsons():
        (CORPUS / f"{json_name}.json").write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main()
