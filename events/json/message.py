"""Converts a message into the plain values of its parsed JSON, so that one reader and one patch work for both forms."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from events.json.timestamps import LATEST_S, NANOS_PER_S, write_rfc3339
from events.rules.object_reader import plain_object
from sociallive.analytics.v1.event_pb2 import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OUTPUT_ONLY = frozenset({"received_at", "timestamp_source"})


def message_value(event: Event) -> dict[str, Any]:
    """Convert an event to JSON names, without the fields that the service sets on reads.

    Nothing is checked, and values that JSON cannot represent stay invalid: a number that is not finite is kept, and a
    time outside of the calendar becomes an object.
    """
    return _members(event)


def _members(message: Message) -> dict[str, Any]:
    return {field.json_name: _value(value) for field, value in message.ListFields() if field.name not in _OUTPUT_ONLY}


def _value(value: Any) -> Any:
    if isinstance(value, Struct):
        return plain_object(value)
    if isinstance(value, Timestamp):
        return _time(value.seconds, value.nanos)
    if isinstance(value, Message):
        return _members(value)
    return value if isinstance(value, str | int | float) else list(value)


def _time(seconds: int, nanos: int) -> Any:
    if 0 <= seconds <= LATEST_S and 0 <= nanos < NANOS_PER_S:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
        return write_rfc3339(moment)
    return {"seconds": seconds, "nanos": nanos}
