"""Turns the arguments of `track` into the bytes of an Event, once, so that every attempt sends the same."""

import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from sociallive.analytics.v1.event_pb2 import Event
from sociallive_analytics.catalogue import PAYLOADS, Payload
from sociallive_analytics.context import Envelope
from sociallive_analytics.errors import InvalidEventError
from sociallive_analytics.ids import IdSource

_EVENT_TAG = b"\x0a"
"""Field 1 with a length: `event` of TrackRequest, and each of `events` of TrackEventsRequest."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event that waits to be sent: its id and type, and the bytes of its Event without `sent_at`."""

    event_id: str
    event_type: str
    body: bytes


class EventEncoder:
    """Makes events with ids, times and sequence numbers."""

    def __init__(self, default_currency: str, platform: str) -> None:
        self._default_currency = default_currency
        self._platform = platform
        self._make_id = IdSource()
        self._sequence = itertools.count(1)

    def encode(self, event_type: str, data: Mapping[str, Any], envelope: Envelope) -> QueuedEvent:
        """Freeze an event.

        Raises:
            InvalidEventError: the type or a field does not exist, or a value has the wrong type.
        """
        payload = PAYLOADS.get(event_type)
        if payload is None:
            raise InvalidEventError(f"there is no event type {event_type!r}; there are {', '.join(PAYLOADS)}")
        fields = self._read_data(event_type, payload, data)
        own: dict[str, Any] = dict(envelope)
        event_id = str(own.pop("event_id", "") or self._make_id())
        now = own.pop("timestamp", None)
        own.setdefault("platform", self._platform)
        own.setdefault("schema_version", payload.version)
        try:
            own[event_type] = payload.message(**fields)
            own["timestamp"] = _now() if now is None else _read_time(now)
            event = Event(event_id=event_id, sequence=next(self._sequence), **own)
            return QueuedEvent(event_id, event_type, event.SerializeToString())
        except (TypeError, ValueError) as exc:
            raise InvalidEventError(f"{event_type} event: {exc}") from exc

    def _read_data(self, event_type: str, payload: Payload, data: Mapping[str, Any]) -> dict[str, Any]:
        """Name the fields as in the .proto file; None means that a field is missing."""
        names = payload.fields
        try:
            fields = {names[key]: value for key, value in data.items() if value is not None}
        except KeyError as exc:
            known = ", ".join(sorted(set(names.values())))
            raise InvalidEventError(f"{event_type} event: there is no field {exc}; there are {known}") from None
        if payload.currency and payload.currency not in fields:
            fields[payload.currency] = self._default_currency
        return fields


def write_request(events: Iterable[QueuedEvent]) -> bytes:
    """Write the bytes of a TrackEventsRequest, or of a TrackRequest if there is one event, with `sent_at` of now."""
    # Fields of a message may come in any order, so `sent_at` follows what was frozen.
    sent_at = Event(sent_at=_now()).SerializeToString()
    parts: list[bytes] = []
    for event in events:
        parts += (_EVENT_TAG, _varint(len(event.body) + len(sent_at)), event.body, sent_at)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _now() -> Timestamp:
    seconds, nanos = divmod(time.time_ns(), _NS)
    return Timestamp(seconds=seconds, nanos=nanos)


def _read_time(time_of_event: Any) -> Timestamp:
    if not isinstance(time_of_event, datetime) or time_of_event.tzinfo is None:
        raise TypeError("timestamp must be a datetime with a time zone")
    found = Timestamp()
    found.FromDatetime(time_of_event.astimezone(UTC))
    return found
