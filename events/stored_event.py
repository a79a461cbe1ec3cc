"""The stored form of an event, turned back into a protobuf event."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from google.protobuf import json_format

from events.catalogue import load_catalogue
from events.json.payload import from_json
from events.normalize import CORRECTED, FUTURE, MISSING
from sociallive.analytics.v1.event_pb2 import Event, TimestampSource

_EVENT_TYPES = frozenset(load_catalogue().types)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)
_SOURCES = {
    None: TimestampSource.TIMESTAMP_SOURCE_CLIENT,
    CORRECTED: TimestampSource.TIMESTAMP_SOURCE_CORRECTED,
    MISSING: TimestampSource.TIMESTAMP_SOURCE_MISSING,
    FUTURE: TimestampSource.TIMESTAMP_SOURCE_FUTURE,
}


def write_event(stored: Mapping[str, Any]) -> Event:
    """Make the event that was stored, but for its address, of which only a hash is kept.

    Args:
        stored: values by the names of `events.normalize.COLUMNS`.
    """
    event_type, device = stored["event_type"], stored["device"]
    event = Event(
        event_id=stored["event_id"],
        event_type=event_type,
        schema_version=stored["schema_version"],
        user_id=stored["user_id"] or "",
        session_id=stored["session_id"] or "",
        sequence=stored["sequence"],
        platform=stored["platform"] or "",
        user_agent=stored["user_agent"] or "",
        timestamp_source=_SOURCES[stored["timestamp_source"]],
    )
    for stamp, column in ((event.timestamp, "timestamp"), (event.received_at, "received_at")):
        microseconds = (stored[column] - _EPOCH) // _MICROSECOND
        stamp.seconds, stamp.nanos = microseconds // 1_000_000, microseconds % 1_000_000 * 1000
        stamp.SetInParent()
    if event_type in _EVENT_TYPES:
        payload = getattr(event, event_type)
        payload.SetInParent()
        from_json(stored["event_data"], payload)
    else:  # stored by a newer program
        json_format.Parse(stored["event_data"], event.data)
    if device is not None:
        from_json(device, event.device)
    return event
