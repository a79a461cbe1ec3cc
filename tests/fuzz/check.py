"""What must hold of every input, however broken: it is parsed or refused, and what comes of it is bounded."""

import orjson
from google.protobuf.message import DecodeError

from events.json.document import DocumentError, JsonValue, read_event, read_events
from events.normalize import COLUMNS as ROW_COLUMNS
from events.normalize import Rejected
from events.rejection import COLUMNS, MAX_NAME_CHARACTERS, MAX_PAYLOAD_BYTES, Rejection, reject_event, reject_json
from events.violations import MAX_VIOLATIONS, TOO_MANY_VIOLATIONS, Violation
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackRequest
from tests.unit.event_samples import NORMALIZER, NOW

MAX_PATH_CHARACTERS = 4096
"""A path leads through a few keys at most, each of them cut and escaped."""
MAX_DESCRIPTION_CHARACTERS = 1024
"""A sentence or two; what it quotes of the event is cut."""
MAX_EVENTS_TRIED = 50
"""Of one message: mutations repeat events more often than they make new ones."""


def check_wire(wire: bytes) -> int:
    """Send bytes the way of both requests, and answer how many events came out of them."""
    events = 0
    for message_class in (TrackRequest, TrackBatchRequest):
        try:
            request = message_class.FromString(wire)
        except DecodeError:
            continue
        found = [request.event] if isinstance(request, TrackRequest) else request.events[:MAX_EVENTS_TRIED]
        for event in found:
            check_event(event)
        events += len(found)
    return events


def check_event(event: Event) -> None:
    """Prepare an event, reject it where it is bad, and see that the outcome is whole and bounded."""
    prepared = NORMALIZER.prepare(event, NOW)
    if not isinstance(prepared, Rejected):
        assert len(prepared) == len(ROW_COLUMNS)
        orjson.loads(prepared[-1])
        # Escapes take six characters and UTF-8 three bytes for a character; the names of fields are few.
        assert len(prepared[-1]) <= 6 * event.ByteSize() + 4096
        return
    check_violations(prepared.violations)
    check_rejection(reject_event(event, prepared, NOW, "Track"), len(prepared.violations))


def check_json(body: bytes) -> None:
    """Read bytes as an event and as a body of events, and see that the outcome is whole and bounded."""
    check_json_event(body, read_event(body))
    try:
        document = read_events(body, most=MAX_EVENTS_TRIED)
    except DocumentError as refused:
        check_violations((refused.violation,))
        return
    for index, value in enumerate(document.values):
        raw = document.raw(index)
        assert raw in body
        check_json_event(raw, value)


def check_json_event(raw: bytes, value: JsonValue) -> None:
    """Prepare an event that came as JSON, and reject it where it is bad."""
    prepared = NORMALIZER.prepare_json(value, NOW)
    if isinstance(prepared, Rejected):
        check_violations(prepared.violations)
        check_rejection(reject_json(raw, value, prepared, NOW, "Track"), len(prepared.violations))
    else:
        assert len(prepared) == len(ROW_COLUMNS)
        assert len(prepared[-1]) <= 6 * len(raw) + 4096


def check_rejection(made: Rejection, violations: int) -> None:
    """See that what is kept of a rejected event fits its columns."""
    rejection = dict(zip(COLUMNS, made, strict=True))
    payload, size = rejection["payload"], rejection["payload_bytes"]
    assert isinstance(size, int)
    assert isinstance(payload, bytes | None)
    assert payload is None or (len(payload) == size <= MAX_PAYLOAD_BYTES)
    for name in ("event_id", "event_type"):
        text = rejection[name]
        assert text is None or (0 < len(str(text)) <= MAX_NAME_CHARACTERS and "\0" not in str(text))
    assert len(orjson.loads(str(rejection["violations"]))) == violations
    assert "\0" not in str(rejection["violations"])


def check_violations(violations: tuple[Violation, ...]) -> None:
    """See that there are some, not too many, and that none carries a payload about."""
    assert 0 < len(violations) <= MAX_VIOLATIONS + 1
    assert len(violations) <= MAX_VIOLATIONS or violations[-1].rule == TOO_MANY_VIOLATIONS
    for field, _, description in violations:
        assert len(field) <= MAX_PATH_CHARACTERS
        assert len(description) <= MAX_DESCRIPTION_CHARACTERS
        assert description.isprintable()
        field.encode()
