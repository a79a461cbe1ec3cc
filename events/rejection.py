"""Rejections: the quarantine's records of refused events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from google.protobuf import json_format

from events.catalogue import load_catalogue
from events.event_type import Form
from events.ids import uuid7
from events.json.address import blank_addresses
from events.json.document import JsonValue
from events.normalize import COLUMNS as STORED_COLUMNS
from events.normalize import Rejected, Row
from events.stored_event import write_event
from events.violations import Violation
from sociallive.analytics.v1.event_pb2 import Event

COLUMNS = (
    "rejection_id",
    "received_at",
    "reason",
    "source",
    "event_id",
    "event_type",
    "violations",
    "payload",
    "payload_bytes",
    "payload_type",
)
"""The names of a Rejection's values, in order: columns of analytics_rejected_events."""
EVENT_ID: Final = 4
"""The position of the id that the event claims."""

Rejection = tuple[str, datetime, str, str, str | None, str | None, str, bytes | None, int, str]
"""A rejected event as it is kept: the values of `COLUMNS`.

Violations are JSON text. The payload is what its type says: a serialized Event ("application/x-protobuf"), or the bytes
that the caller wrote ("application/json").
"""

MAX_PAYLOAD_BYTES = 64 * 1024
"""Larger events are kept without their payload: legitimate ones are far smaller, and nobody reads one of this size."""
MAX_NAME_CHARACTERS = 64
"""The stored length of an invalid id or type, enough to search for it."""

_which_oneof = Event.WhichOneof  # see events.rules.message_rules
_EVENT_TYPES = tuple(load_catalogue().types)

ID_CONFLICT = Rejected(
    event_id="",
    reason="ID_CONFLICT",
    violations=(
        Violation(
            "event_id",
            "ID_CONFLICT",
            "is already the id of another stored event; give every event its own id",
        ),
    ),
)
"""An event under the id of another one."""
REFUSED_BY_DATABASE = Rejected(
    event_id="",
    reason="REFUSED_BY_DATABASE",
    violations=(Violation("event", "STORABLE", "the database refused a value of this event"),),
)
"""An event that passed every rule and that Postgres still refuses: a gap in our rules."""


def reject_event(event: Event, rejected: Rejected, received_at: datetime, source: str) -> Rejection:
    """Make the rejection of an event; its address is left out, since addresses are never stored raw.

    Args:
        event: as it was sent; it is not changed.
        rejected: why it is refused.
        received_at: when it came, aware UTC.
        source: the method it came by, for example "TrackBatch".
    """
    if event.ip_address:
        event, sent = Event(), event
        event.CopyFrom(sent)
        event.ClearField("ip_address")
    event_type = event.event_type or _which_oneof(event, "payload") or ""
    return _make(event.SerializeToString(), Form.MESSAGE, event.event_id, event_type, rejected, received_at, source)


def reject_json(
    raw: bytes, value: JsonValue, rejected: Rejected, received_at: datetime, source: str, *, event_type: str = ""
) -> Rejection:
    """Make the rejection of an event that came as JSON: its bytes as they were sent, with "" for its address.

    An event that is not valid JSON is kept likewise. If an address may be left in it, its bytes are only counted, not
    kept.

    Args:
        raw: what the caller wrote.
        value: what `events.json.document` read of it.
        rejected: why it is refused.
        received_at: when it came, aware UTC.
        source: the method it came by, for example "TrackEvents".
        event_type: the type where the path names it.
    """
    is_object = isinstance(value, dict)
    kept = blank_addresses(raw, is_object=is_object)
    event_id = ""
    if isinstance(value, dict):
        event_id = _text_of(value, "eventId", "event_id")
        named = _text_of(value, "eventType", "event_type")
        event_type = event_type or named or next((name for name in _EVENT_TYPES if name in value), "")
    made = _make(kept or b"", Form.JSON, event_id, event_type, rejected, received_at, source)
    return made if kept is not None else (*made[:-2], len(raw), made[-1])


def reject_row(row: Row, rejected: Rejected, source: str) -> Rejection:
    """Make the rejection of an event that was about to be stored; its payload is empty where it cannot be written."""
    stored: dict[str, Any] = dict(zip(STORED_COLUMNS, row, strict=True))
    try:
        payload = write_event(stored).SerializeToString()
    except (ValueError, TypeError, json_format.ParseError):
        payload = b""
    return _make(
        payload, Form.MESSAGE, stored["event_id"], stored["event_type"], rejected, stored["received_at"], source
    )


def _make(
    payload: bytes, form: Form, event_id: str, event_type: str, rejected: Rejected, received_at: datetime, source: str
) -> Rejection:
    return (
        uuid7(),
        received_at,
        rejected.reason,
        source,
        _name(event_id),
        _name(event_type),
        _violations_json(rejected.violations),
        payload if 0 < len(payload) <= MAX_PAYLOAD_BYTES else None,
        len(payload),
        form.value,
    )


def _text_of(value: Mapping[str, Any], *names: str) -> str:
    """Return the first string among these members; empty if there is none."""
    return next((text for text in map(value.get, names) if isinstance(text, str)), "")


def _name(text: str) -> str | None:
    return text[:MAX_NAME_CHARACTERS].replace("\0", "\ufffd") or None  # no string of Postgres' holds NUL


def _violations_json(violations: Sequence[Violation]) -> str:
    return orjson.dumps(
        [{"field": field, "rule": rule, "description": description} for field, rule, description in violations]
    ).decode()
