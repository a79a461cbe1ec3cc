"""Events written as protobuf JSON, one a line; the seed's `{"eventType": ..., "data": {...}}` is one of its forms."""

from datetime import UTC, datetime

from google.protobuf import json_format

from events.ids import deterministic_id
from server.cli.records import RecordError
from sociallive.analytics.v1.event_pb2 import Event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in the id of an event that tells no time, so that a repeat gets the same id."""
MOST_DEPTH = 60
"""How deep an event may nest by json_format's count, 30 objects: a message of 34 can no longer be parsed on the other
side, and would take all events of its message with it. Rules allow far less; the server tells which."""
MOST_REASON = 300
"""Characters of a reason that are shown: enough for any of protobuf's own, not for a whole event."""


class JsonEventFiller:
    """Turns lines of protobuf JSON into events; one without an id gets a deterministic one."""

    def __init__(self, dataset: str) -> None:
        """Take the name that, with line and content, makes the ids."""
        self._dataset = dataset

    def fill(self, event: Event, record: bytes, position: int) -> None:
        """Parse the line into the event.

        Raises:
            RecordError: it is not the JSON form of an event.
        """
        try:
            json_format.Parse(record, event, max_recursion_depth=MOST_DEPTH)
        except (json_format.ParseError, UnicodeDecodeError) as exc:
            raise RecordError(f"is not an event: {str(exc)[:MOST_REASON]}") from exc
        except RecursionError as exc:
            raise RecordError("is not an event: nested too deep") from exc
        if event.event_id:
            return
        try:
            moment = event.timestamp.ToDatetime(UTC) if event.HasField("timestamp") else EPOCH
        except (ValueError, OverflowError) as exc:
            raise RecordError(f"timestamp: {exc}") from exc
        event.event_id = deterministic_id(self._dataset, position, record, moment)
