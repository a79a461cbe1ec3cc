"""Bodies become events, each judged alone: what stands beside a broken one is read as if it were not there."""

import json
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.json import fault as json_fault
from events.json import scanner as json_scanner
from events.json.document import Broken, DocumentError, TooManyInDocumentError, read_event, read_events
from events.json.scanner import MAX_PARSES
from tests.unit.json_faults import FAULTS, GOOD, body_of

MOST = 100


def told(value: Any) -> str:
    """Write what is wrong with a broken event."""
    assert isinstance(value, Broken), value
    return f"{value.violation.field} {value.violation.description}"


@pytest.mark.finding(14)
@pytest.mark.parametrize(("broken", "says"), FAULTS.items(), ids=[key[:20].hex() for key in FAULTS])
@pytest.mark.parametrize("backfill", [b"false", b"true"])
def test_a_broken_event_is_refused_alone_and_keeps_its_place_and_bytes(
    broken: bytes, says: str, backfill: bytes
) -> None:
    """Beside three good ones, and by itself."""
    document = read_events(body_of(GOOD, broken, GOOD, GOOD, backfill=backfill), most=MOST)
    assert [isinstance(value, Broken) for value in document.values] == [False, True, False, False]
    assert [document.raw(index) for index in range(4)] == [GOOD, broken, GOOD, GOOD]
    assert document.values[0] == json.loads(GOOD)
    assert told(document.values[1]).startswith(says)
    assert document.backfill is (backfill == b"true")
    assert told(read_event(broken)).startswith(says)


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_a_list_that_breaks_off_ends_in_a_broken_event(cut: int) -> None:
    """What stands before it is whole, and what is left of it is kept."""
    document = read_events(b'{"backfill": true, "events": [' + GOOD + b"," + GOOD + b", " + GOOD[:cut], most=MOST)
    assert [isinstance(value, Broken) for value in document.values] == [False, False, True]
    assert document.raw(2) == GOOD[:cut].rstrip()
    assert document.backfill


def test_a_list_that_breaks_off_between_two_events_ends_in_a_broken_event() -> None:
    """So that its sender sees that the body was not whole."""
    for body in (b'{"events": [' + GOOD + b", ", b'{"events": [' + GOOD + b", ]}"):
        document = read_events(body, most=MOST)
        assert [isinstance(value, Broken) for value in document.values] == [False, True]
        assert document.raw(1) == b""


@pytest.mark.parametrize("inner", [b'{"a": [1}', b'{"a": 1]', b'{"a": "x}', b'{"a": {"b": 1}', b"[", b"}"])
def test_an_event_without_an_end_takes_the_rest(inner: bytes) -> None:
    """An object inside of it must never count as an event of its own."""
    document = read_events(b'{"events": [' + GOOD + b"," + inner + b"," + GOOD + b"]}", most=MOST)
    assert [isinstance(value, Broken) for value in document.values] == [False, True]
    assert document.raw(1) == inner + b"," + GOOD + b"]}"


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        (b"", "body", "{ is missing at byte 1"),
        (b"[]", "body", "is a list; send"),
        (b"17", "body", "is a number; send"),
        (b"[NaN]", "body", "{ is missing at byte 1"),
        (b"{}", "events", "is missing"),
        (b'{"events": null}', "events", "is missing"),
        (b'{"events": {}}', "events", "is not a list"),
        (b'{"events": {"a": NaN}}', "events", "is not a list"),
        (b'{"events": [], "backfil": true}', "backfil", "did you mean backfill?"),
        (b'{"events": [NaN], "backfil": true}', "backfil", "did you mean backfill?"),
        (b'{"eventType": "view", "data": {}}', "eventType", "is not a field of the request"),
        (b'{"events": [], "backfill": "true"}', "backfill", "must be true or false"),
        (b'{"events": [NaN], "backfill": 1}', "backfill", "must be true or false"),
        (b'{"events": [NaN], "backfill": [', "backfill", "must be true or false"),
        (b'{"events": [NaN]} x', "body", "there is extra data after its end, at byte 19"),
        (b'{"events": [NaN] "backfill": true}', "body", ", is missing at byte 18"),
        (b'{"events": [NaN]', "body", ", is missing at byte 17"),
        (b'{"events" [NaN]}', "body", ": is missing at byte 11"),
        (b"{events: [NaN]}", "body", "a key in double quotes is missing at byte 2"),
        (b'{"events": [NaN], "backfill": }', "body", "a value is missing at byte 31"),
        (b'{"' + b"x" * 5000 + b'": 1}', "x" * 40, "is not a field of the request"),
    ],
)
def test_what_is_no_list_of_events_is_refused_as_a_whole(body: bytes, field: str, says: str) -> None:
    """With the member that is at fault."""
    with pytest.raises(DocumentError) as refused:
        read_events(body, most=MOST)
    violation = refused.value.violation
    assert violation.field.startswith(field)
    assert says in violation.description
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("event", [GOOD, b"NaN"])
def test_the_number_of_events_is_bounded(event: bytes) -> None:
    """However they are written."""
    assert len(read_events(body_of(*[event] * MOST), most=MOST).values) == MOST
    with pytest.raises(TooManyInDocumentError, match="holds more than 100 events"):
        read_events(body_of(*[event] * (MOST + 1)), most=MOST)


@pytest.mark.parametrize("event", [b'{"a": 1, "a": 2}', b'{"a": 2, "b": NaN}'])
def test_of_members_that_come_again_the_last_counts(event: bytes) -> None:
    """In an event and in the body."""
    body = b'{"backfill": false, "events": [1, 2], "events": [' + event + b'], "backfill": true}'
    document = read_events(body, most=MOST)
    assert (len(document.values), document.raw(0), document.backfill) == (1, event, True)
    assert read_event(b'{"a": 1, "\\u0061": 2}') == {"a": 2}


def test_a_body_may_have_no_events() -> None:
    """And then has no bytes of any."""
    assert read_events(b'{"events": []}', most=MOST).values == []
    assert read_events(b' { "backfill":null,"events":[ ] } ', most=MOST).values == []


jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(events=st.lists(jsons, max_size=6), indent=st.sampled_from([None, 0, 2]), is_ascii=st.booleans())
def test_a_valid_body_is_split_as_a_parser_reads_it(events: list[Any], indent: int | None, *, is_ascii: bool) -> None:
    """Each part is the event that a parser finds in its place, however the body is laid out."""
    body = json.dumps({"events": events}, indent=indent, ensure_ascii=is_ascii).encode()
    document = read_events(body, most=MOST)
    assert [json.loads(document.raw(index)) for index in range(len(events))] == events
    assert [value for value in document.values if not isinstance(value, Broken)] == [
        event for event in events if isinstance(event, dict)
    ]
    beside = read_events(body[: body.rindex(b"]")] + (b"," if events else b"") + b"NaN]}", most=MOST)
    assert list(beside.values[:-1]) == list(document.values)
    assert [beside.raw(index) for index in range(len(events) + 1)] == [
        *(document.raw(index) for index in range(len(events))), b"NaN",
    ]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    """A fault is found in all that is no JSON, and nothing but DocumentError comes of it."""
    pieces = [
        b'{"events":[',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b'"a"',
        b"\\",
        b"1",
        b"NaN",
        b"\xff",
        b" ",
        b"null",
    ]
    body = b"".join(data.draw(st.lists(st.sampled_from(pieces), max_size=30)))
    value = read_event(body)
    assert isinstance(value, dict) or value.violation.description
    try:
        document = read_events(body, most=MOST)
    except DocumentError:
        return
    assert all(document.raw(index) in body for index in range(len(document.values)))


class CountedBytes:
    """Counts the calls of the patterns, and how far each of them went."""

    def __init__(self, match: Any) -> None:
        self.match = match
        self.bytes = self.calls = 0

    def __call__(self, text: bytes, place: int = 0) -> Any:
        """Match, and count."""
        found = self.match(text, place)
        self.calls += 1
        self.bytes += len(found[0]) if found else 0
        return found


PATTERNS = [
    (module, name)
    for module in (json_scanner, json_fault)
    for name in ("_space", "_string", "_word", "_inside", "_between", "_bad_escape")
    if hasattr(module, name)
]


@pytest.mark.parametrize(
    "event",
    [
        b'{"a": "' + b"\\" * 20_000 + b'"}',
        b'{"a": "' + b'\\"' * 10_000,
        b'"' * 20_001,
        b"[" * 20_000,
        b"{" * 20_000,
        b"[{" * 10_000 + b"]}" * 10_000,
        b"[" * 10_000 + b"]" * 10_000 + b"NaN",
        b'{"a":' * 500 + b"NaN",
        b"[" + b'"a",' * 5_000 + b"NaN]",
        b"[" + b" " * 20_000 + b"NaN",
        b"{" + b'"a": 1, ' * 2_500 + b'"b": NaN}',
        b'{"a": "' + b"\\u00" * 5_000 + b'"}',
        b'{"a": NaN},' * 2_000 + b'{"a": "' + b"x" * 20_000 + b'"}',
        b'{"a": NaN, "b": "},},},},},"},' * 1_000,
        (b'{"a": NaN}, ' + b"1," * 500) * 20 + b"1",
        b"{" * 1_000 + b"}," * 1_000,
    ],
    ids=lambda event: event[:8].decode(),
)
def test_reading_takes_a_fixed_number_of_looks_at_each_byte(event: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the input: steps are counted, not seconds."""
    counted = []
    for module, name in PATTERNS:
        counter = CountedBytes(getattr(module, name))
        monkeypatch.setattr(module, name, counter)
        counted.append(counter)
    parsed = []

    def loads(text: bytes) -> Any:
        parsed.append(len(text))
        return orjson.loads(text)

    monkeypatch.setattr(json_scanner, "orjson", SimpleNamespace(loads=loads, JSONDecodeError=orjson.JSONDecodeError))
    body = b'{"events": [' + event + b"," + GOOD + b"]}"
    with suppress(DocumentError):
        read_events(body, most=len(body))
    assert sum(counter.bytes for counter in counted) <= 12 * len(body)
    assert sum(counter.calls for counter in counted) <= 12 * len(body)
    assert sum(parsed) <= 2 * MAX_PARSES * len(body)
