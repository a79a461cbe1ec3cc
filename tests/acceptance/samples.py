"""Valid events to send, and ways to read errors."""

import uuid
from typing import Any

from google.rpc import error_details_pb2
from grpc_status import rpc_status

from events.catalogue import load_catalogue
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

RELEASES = [
    (name, version.version)
    for name, event_type in sorted(load_catalogue().types.items())
    for version in event_type.versions
]
"""Every event type with each of its versions, ordered by type, then oldest first."""
EXAMPLES = {
    "view": """{
      "eventId": "uuid",
      "eventType": "view",
      "userId": "user-123",
      "sessionId": "session-456",
      "timestamp": "2024-01-01T12:00:00Z",
      "schemaVersion": "1.1.0",
      "platform": "mobile",
      "data": {
        "contentType": "post",
        "contentId": "post-123",
        "viewDuration": 45,
        "scrollDepth": 0.8,
        "referrer": "feed"
      }
    }""",
    "engagement": """{
      "eventType": "engagement",
      "data": {
        "action": "like",
        "targetType": "post",
        "targetId": "post-123",
        "metadata": {
          "previousState": "unliked",
          "source": "feed"
        }
      }
    }""",
    "purchase": """{
      "eventType": "purchase",
      "data": {
        "productId": "product-456",
        "orderId": "order-789",
        "amount": 29.99,
        "currency": "USD",
        "quantity": 1,
        "paymentMethod": "wallet",
        "conversionPath": ["view", "add_to_cart", "purchase"]
      }
    }""",
}
"""The examples that the product was asked for with, as they stand."""


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
    """Read an error's ErrorInfo reason, after checking its domain; empty where it has none."""
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(exc)
    for detail in status.details if status is not None else ():
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
