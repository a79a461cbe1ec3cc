"""Writes a rejected event as the contract shows it."""

import orjson
from google.protobuf.message import DecodeError

from server.reports.scope import to_timestamp
from sociallive.analytics.v1.admin_service_pb2 import RejectedEvent, ReplayResult, ReplayStatus
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import FieldViolation
from storage.batch import WriteOutcome
from storage.rejections import RejectionRecord

STATUSES = {
    WriteOutcome.STORED.name: ReplayStatus.REPLAY_STATUS_STORED,
    WriteOutcome.DUPLICATE.name: ReplayStatus.REPLAY_STATUS_DUPLICATE,
}
"""Of what the column replay_outcome holds; anything else is the reason why the replay failed."""


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
        written.last_replay_time.CopyFrom(to_timestamp(record.tried_at))
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


def read_payload(payload: bytes | None) -> Event | None:
    """Parse the payload that is kept; None where there is none, or none that this program can read."""
    if payload is None:
        return None
    try:
        return Event.FromString(payload)
    except DecodeError:
        return None


def _read_violations(text: str | None) -> list[FieldViolation]:
    return [FieldViolation(**violation) for violation in orjson.loads(text)] if text else []
