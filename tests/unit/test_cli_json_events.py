"""How an import handles JSON that is not an event: every such value gets a reason."""

from itertools import product

import pytest

from cli.import_.json_events import parse_event
from cli.import_.records import RecordError
from sociallive.analytics.v1.event_pb2 import Event

VALUES = [
    *(b"null", b"true", b"[]", b"{}", b"[null]", b"[[[]]]", b"5", b"-1", b"1.5", b'"x"', b'"5"', b'" "', b'"NaN"'),
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"1e999999999", b"12345678901234567890", b"9" * 400, b"9" * 5_000),
    *(b'"' + b"9" * 5_000 + b'"', rb'"\ud800"', rb'[1, "\udfff"]', rb'{"\ud800": 1}', rb'"\u0000"', b'"\xff"'),
    *(b'"2024-13-01"', b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999999Z"', b'"99999-01-01T00:00:00Z"'),
]
FIELDS = [
    *(b"eventId", b"eventType", b"schemaVersion", b"timestamp", b"sentAt", b"sequence", b"device", b"ipAddress"),
    *(b"receivedAt", b"timestampSource", b"data", b"view", b"purchase", b"@type", b"nothing"),
]
INNER = [b"contentType", b"viewDuration", b"metadata", b"amount", b"quantity", b"conversionPath", b"nothing"]


def outcome(record: bytes) -> str:
    """Say why a record is no event; empty where it is one, which can then be sent."""
    event = Event()
    try:
        parse_event(record, event)
    except RecordError as exc:
        return str(exc)
    event.SerializeToString()
    return ""


@pytest.mark.finding(29)
@pytest.mark.parametrize(
    "beside", [b"", b'"receivedAt": "not a time", '], ids=["", "beside a field of a newer service"]
)
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.decode())
def test_no_value_ends_an_import(field: bytes, beside: bytes) -> None:
    """Anywhere in an event."""
    reasons = {outcome(b'{%b"%b": %b}' % (beside, field, value)) for value in VALUES}
    for inner, value in product(INNER, VALUES):
        reasons.add(outcome(b'{%b"%b": {"%b": %b}}' % (beside, field, inner, value)))
        reasons.add(outcome(b'{%b"%b": {"metadata": {"%b": %b}}}' % (beside, field, inner, value)))
    assert any(reason.startswith("is not an event: ") for reason in reasons)


@pytest.mark.finding(29)
@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff",
        b"\x00",
        b"{",
        b"{}{}",
        b"[" * 100_000,
        b'{"data": ' + b'{"a": ' * 100_000,
        b'{"a": 1' + b"0" * 9_000,
    ],
    ids=["nothing", "no text", "NUL", "cut off", "two", "deep list", "deep object", "long number"],
)
def test_what_is_no_event_at_all_is_told_in_a_line(record: bytes) -> None:
    """Short enough for a terminal."""
    reason = outcome(record)
    assert reason.startswith("is not an event: ")
    assert len(reason.splitlines()) == 1
    assert len(reason) < 400
