"""The quarantine keeps the bytes of a JSON event as its caller wrote them, but for a client's address."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.json.address import blank_addresses
from events.json.document import Broken, read_event
from events.normalize import Rejected
from events.rejection import COLUMNS, MAX_PAYLOAD_BYTES, reject_event, reject_json
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.event_samples import EVENT_ID, NORMALIZER, NOW

ADDRESS = "203.0.113.7"


def rejection_of(raw: bytes, event_type: str = "") -> dict[str, Any]:
    """Reject what is wrong with an event, and name the values that are kept."""
    value = read_event(raw)
    rejected = NORMALIZER.prepare_json(value, NOW, event_type=event_type)
    assert isinstance(rejected, Rejected)
    return dict(zip(COLUMNS, reject_json(raw, value, rejected, NOW, "TrackEvents", event_type=event_type), strict=True))


@pytest.mark.finding(13)
@pytest.mark.parametrize(
    "raw",
    [
        b'{"eventType": "view", "usrId": "u1", "data": {"contentType": "post", "contentId": "p1"}}',
        b'{ "userId" :5 , "userId":  6.0e1,"x":[ ]}\n',
        b'{"sequence": 99999999999999999999}',
        b'{"userId": "\\ud800"}',
        b'{"userId": "\xff\xfe"}',
        b'{"userId": NaN',
        b"null",
        b"",
    ],
)
def test_what_the_caller_sent_is_kept_to_the_byte(raw: bytes) -> None:
    """Misspelt, mistyped or broken."""
    kept = rejection_of(raw)
    assert (kept["payload"] or b"", kept["payload_bytes"]) == (raw, len(raw))
    assert (kept["payload_type"], kept["source"]) == ("application/json", "TrackEvents")
    assert all("json_field" not in violation for violation in json.loads(kept["violations"]))


def test_a_message_is_kept_as_one() -> None:
    """Which of the two it is stands beside it."""
    event = Event(event_type="view", ip_address=ADDRESS)
    rejected = NORMALIZER.prepare(event, NOW)
    assert isinstance(rejected, Rejected)
    kept: dict[str, Any] = dict(zip(COLUMNS, reject_event(event, rejected, NOW, "Track"), strict=True))
    assert kept["payload_type"] == "application/x-protobuf"
    assert Event.FromString(kept["payload"]) == Event(event_type="view")


@pytest.mark.parametrize(
    ("raw", "path_type", "event_id", "event_type"),
    [
        ({"eventId": EVENT_ID.upper(), "eventType": "view"}, "", EVENT_ID.upper(), "view"),
        ({"event_id": EVENT_ID, "purchase": {}}, "", EVENT_ID, "purchase"),
        ({"eventId": "x" * 100, "eventType": "a\0"}, "", "x" * 64, "a\ufffd"),
        ({"eventId": 5, "eventType": {}}, "", None, None),
        ({"eventType": "purchase"}, "view", None, "view"),
    ],
)
def test_a_rejection_is_found_by_its_id_and_type(
    raw: Any, path_type: str, event_id: str | None, event_type: str | None
) -> None:
    """As far as it says them, cut and without what no column takes; the path's type comes first."""
    kept = rejection_of(json.dumps(raw).encode(), path_type)
    assert (kept["event_id"], kept["event_type"]) == (event_id, event_type)


def test_a_large_event_is_only_counted() -> None:
    """As for messages."""
    kept = rejection_of(json.dumps({"userId": "x" * MAX_PAYLOAD_BYTES}).encode())
    assert (kept["payload"], kept["payload_bytes"] > MAX_PAYLOAD_BYTES) == (None, True)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b'{"ipAddress": "203.0.113.7", "x": 1}', b'{"ipAddress": "", "x": 1}'),
        (b'{"x":1,"ip_address":"203.0.113.7"}', b'{"x":1,"ip_address":""}'),
        (b'{"ipAddress":"203.0.113.7","ipAddress" : "::1" }', b'{"ipAddress":"","ipAddress" : "" }'),
        (b'{"ip\\u0041ddress":"203.0.113.7"}', b'{"ip\\u0041ddress":""}'),
        (b'{"\\u0069\\u0070_address":"203.0.113.7"}', b'{"\\u0069\\u0070_address":""}'),
        (b'{"ipAddress": {"v4": ["203.0.113.7"]}, "y": 2}', b'{"ipAddress": "", "y": 2}'),
        (b'{"ipAddress": 3405803783}', b'{"ipAddress": ""}'),
        (b'{"ipAddress": "\\"203.0.113.7\\"", "a": "}"}', b'{"ipAddress": "", "a": "}"}'),
        (b'{"ipAddress": "203.0.113.7", "a": NaN}', b'{"ipAddress": "", "a": NaN}'),
        (b'{"ipAddress": "\xff203.0.113.7", "a": 1}', b'{"ipAddress": "", "a": 1}'),
        (b'{"a": {"b": NaN}, "ipAddress": "203.0.113.7"}', b'{"a": {"b": NaN}, "ipAddress": ""}'),
        (b'{"ipAddress": 203.0.113.7, "a": 1}', b'{"ipAddress": "", "a": 1}'),
        (b'{"ipAddress": "203.0.113.7', None),
        (b'{"ipAddress": ""203.0.113.7"}', None),
        (b'{"ipAddress": "203.0.113.7", "a": "open', None),
        (b'{"a": NaN, "b": {"ipAddress": "203.0.113.7"}}', None),
        (b'{"ipAddress": ["203.0.113.7"', None),
        (b'{"a": "open, "ipAddress": "203.0.113.7"}', None),
        (b'{"a": 1 "ipAddress": "203.0.113.7"}', None),
        (b'{"a": 1 "ip\\u0041ddress": "203.0.113.7"}', None),
        (b'{"a": [1}, "ip_address": "203.0.113.7"}', None),
        (b"{'ipAddress': '203.0.113.7'}", None),
        (b'[{"ipAddress": "203.0.113.7"}]', None),
        (b'"{\\"ipAddress\\": \\"203.0.113.7\\"}"', None),
        (b'{"ipAddress": "203.0.113.7"} {"ipAddress": "203.0.113.8"}', None),
    ],
)
def test_an_address_is_never_kept(raw: bytes, kept: bytes | None) -> None:
    """Its place is emptied and nothing else; where that place is not certain, the bytes are counted and not kept."""
    made = rejection_of(raw if kept is None else raw[:1] + b' "usrId":1,' + raw[1:])
    if kept is None:
        assert (made["payload"], made["payload_bytes"]) == (None, len(raw))
    else:
        assert made["payload"] == kept[:1] + b' "usrId":1,' + kept[1:]
        assert made["payload_bytes"] == len(made["payload"])
    assert "113" not in made["violations"].replace("such as '203.0.113.7'", "")


names = st.sampled_from(["ipAddress", "ip_address", "a", "ipaddress", "é"]) | st.text(max_size=3)
values = st.recursive(
    st.none() | st.integers(0, 9) | st.text(max_size=5) | st.just(ADDRESS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(members=st.lists(st.tuples(names, values), max_size=6), indent=st.sampled_from([None, 2]))
def test_blanking_changes_nothing_but_the_addresses(members: list[tuple[str, Any]], indent: int | None) -> None:
    """Of any object, with members that come again."""
    text = ",".join(f"{json.dumps(name)}: {json.dumps(value, indent=indent)}" for name, value in members)
    expected = ",".join(
        f"{json.dumps(name)}: " + ('""' if name in ("ipAddress", "ip_address") else json.dumps(value, indent=indent))
        for name, value in members
    )
    assert blank_addresses(f"{{{text}}}".encode(), is_object=True) == f"{{{expected}}}".encode()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_broken_event_keeps_no_address(data: st.DataObject) -> None:
    """Of an event with an address, cut and damaged anywhere: what is kept of it has none behind its name."""
    raw = b'{"userId": "a", "ipAddress": "203.0.113.7", "data": {"x": [1, "y"]}, "ip\\u005faddress": "203.0.113.8"}'
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw)))
        raw = raw[:place] + data.draw(st.sampled_from([b"", b'"', b"{", b"}", b"]", b",", b"\\"])) + raw[place + 1 :]
    value = read_event(raw)
    if isinstance(value, Broken) and b"ipAddress" in raw:
        kept = blank_addresses(raw, is_object=False)
        assert kept is None or b'"203.0.113.7"' not in kept


@pytest.mark.finding(29)
@pytest.mark.parametrize("digits", [str(2**64), str(-(2**63) - 1), "1" + "0" * 20, "9" * 5000])
@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("sequence", '{"view": {}, "sequence": N}'),
        ("userId", '{"view": {}, "userId": N}'),
        ("view.viewDuration", '{"view": {"contentType": "a", "contentId": "b", "viewDuration": N}}'),
        ("engagement.metadata.n[0]", '{"engagement": {"metadata": {"n": [N]}}}'),
    ],
)
def test_an_integer_beyond_64_bits_is_refused_by_name(path: str, event: str, digits: str) -> None:
    """Wherever it stands: it raises nothing, and nothing rounds it in silence."""
    text = event.replace("N", digits).encode()
    kept = rejection_of(text)
    assert path in [violation["field"] for violation in json.loads(kept["violations"])]
    assert kept["payload"] == text


@pytest.mark.finding(14)
@pytest.mark.parametrize("number", [712345678901234567, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1])
def test_an_integer_of_64_bits_is_stored_exactly(number: int) -> None:
    """In metadata, where numbers were doubles."""
    metadata = {"n": number, "list": [number]}
    value = {"engagement": {"action": "like", "targetType": "a", "targetId": "b", "metadata": metadata}}
    row = NORMALIZER.prepare_json(read_event(json.dumps(value).encode()), NOW)
    assert not isinstance(row, Rejected), row
    assert json.loads(row[-1])["metadata"] == metadata
