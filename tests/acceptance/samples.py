"""Valid events to send, and ways to read errors."""

import uuid
from typing import Any

from google.rpc import error_details_pb2
from grpc_status import rpc_status

from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent


def view(**fields: Any) -> Event:
    """Make a valid view event with an id of its own."""
    fields = {
        "event_id": str(uuid.uuid4()),
        "user_id": "user-1",
        "session_id": "session-1",
        "view": ViewEvent(content_type="post", content_id="post-123", view_duration=45),
        **fields,
    }
    return Event(**fields)


def track(**fields: Any) -> TrackRequest:
    """Make a request for a valid view event."""
    return TrackRequest(event=view(**fields))


def violations(exc: Any) -> dict[str, str]:
    """Read an error's field violations: rules by field."""
    bad = error_details_pb2.BadRequest()
    for detail in rpc_status.from_call(exc).details:
        if detail.Unpack(bad):
            return {violation.field: violation.reason for violation in bad.field_violations}
    return {}


def reason(exc: Any) -> str:
    """Read an error's ErrorInfo reason, after checking its domain."""
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(exc).details:
        if detail.Unpack(info):
            assert info.domain == "analytics.sociallive"
            return str(info.reason)
    return ""


def retry_delay_s(exc: Any) -> float | None:
    """Read an error's RetryInfo; None where it has none."""
    info = error_details_pb2.RetryInfo()
    for detail in rpc_status.from_call(exc).details:
        if detail.Unpack(info):
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return None
