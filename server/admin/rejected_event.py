"""Converts a rejected event into its message."""

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from events.event_type import Form
from events.json.document import JsonValue, read_event
from events.json.message import message_value
from server.reports.scope import to_timestamp
from sociallive.analytics.v1.admin_service_pb2 import RejectedEvent, ReplayResult, ReplayStatus
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import FieldViolation
from storage.rejections import RejectionRecord
from storage.write.batch import WriteOutcome

STATUSES = {
    WriteOutcome.STORED.name: ReplayStatus.REPLAY_STATUS_STORED,
    WriteOutcome.DUPLICATE.name: ReplayStatus.REPLAY_STATUS_DUPLICATE,
}
"""The outcomes in the column replay_outcome; any other value is the reason of a failed replay."""

TYPE_NAMES = ("eventType", "event_type")
"""Either names the type in JSON."""


def write_rejected_event(record: RejectionRecord) -> RejectedEvent:
    """Write a rejected event, without its payload."""
    written = RejectedEvent(
        rejection_id=record.rejection_id,
        received_at=to_timestamp(record.received_at),
        reason=record.reason,
        source=record.source,
        event_id=record.event_id or "",
        event_type=record.event_type or "",
        violations=_read_violations(record.violations),
        event_count=record.event_count,
        payload_bytes=record.payload_bytes,
        payload_kept=record.payload_kept,
    )
    if record.replayed_at is not None:
        written.replayed_at.CopyFrom(to_timestamp(record.replayed_at))
    if record.tried_at is not None and record.replay_outcome is not None:
        status = STATUSES.get(record.replay_outcome, ReplayStatus.REPLAY_STATUS_FAILED)
        written.last_replayed_at.CopyFrom(to_timestamp(record.tried_at))
        written.last_replay.CopyFrom(
            ReplayResult(
                rejection_id=record.rejection_id,
                event_id=record.replay_event_id or "",
                status=status,
                reason=record.replay_outcome if status == ReplayStatus.REPLAY_STATUS_FAILED else "",
                violations=_read_violations(record.replay_violations),
            )
        )
    return written


def read_value(record: RejectionRecord) -> JsonValue | None:
    """Read the payload of a rejected event as JSON, from either form; None if it is not kept or cannot be read.

    An event whose path said its type gets it as `eventType`.
    """
    if record.payload is None:
        return None
    if record.payload_type != Form.JSON:
        event = _read_message(record.payload)
        return None if event is None else message_value(event)
    value = read_event(record.payload)
    if isinstance(value, dict) and record.event_type and not any(name in value for name in TYPE_NAMES):
        value["eventType"] = record.event_type
    return value


def show_event(record: RejectionRecord) -> Event | None:
    """Read the payload of a rejected event into a message; None if it does not fit one."""
    if record.payload is None:
        return None
    if record.payload_type != Form.JSON:
        return _read_message(record.payload)
    value = read_value(record)
    if not isinstance(value, dict):
        return None
    try:
        return json_format.ParseDict(value, Event(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _read_message(payload: bytes) -> Event | None:
    try:
        return Event.FromString(payload)
    except DecodeError:
        return None


def _read_violations(text: str | None) -> list[FieldViolation]:
    return [FieldViolation(**violation) for violation in orjson.loads(text)] if text else []
