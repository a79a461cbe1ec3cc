"""Events for the tests of the rules, and ways to make them from the JSON that callers send."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format

from events.catalogue import load_catalogue
from events.normalize import COLUMNS, Normalizer, Rejected
from events.rules import Validator
from events.violations import Violation
from sociallive.analytics.v1.event_pb2 import Event

EVENT_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NEW_ID = "01890a5d-ac96-774b-bcce-000000000000"
"""What `NORMALIZER` gives to every event without an id."""
NOW = datetime(2024, 1, 1, 12, 0, 30, 123456, tzinfo=UTC)
"""When events are received: half a minute after the sample happened."""

CATALOGUE = load_catalogue()
VALIDATOR = Validator(CATALOGUE)
NORMALIZER = Normalizer(
    ip_hash_key=b"a key for tests!", retention_raw_days=90, new_id=lambda: NEW_ID, validator=VALIDATOR
)

VIEW = {"contentType": "post", "contentId": "post-123"}
MINIMAL: dict[str, dict[str, Any]] = {
    "view": VIEW,
    "engagement": {"action": "like", "targetType": "post", "targetId": "post-123"},
    "purchase": {"productId": "product-456", "orderId": "order-789", "amount": 29.99, "currency": "USD"},
    "stream": {"streamId": "stream-1", "action": "join"},
    "session": {"action": "start"},
}
"""The required fields of each type."""


def parse(values: dict[str, Any]) -> Event:
    """Parse an event as a JSON caller sends it."""
    return json_format.ParseDict(values, Event())


def by_data(event_type: str, data: dict[str, Any], **envelope: Any) -> Event:
    """Make an event that brings its payload as `data`."""
    return parse({"eventType": event_type, "data": data, **envelope})


def typed(event_type: str, payload: dict[str, Any], **envelope: Any) -> Event:
    """Make an event that brings a typed payload."""
    return parse({event_type: payload, **envelope})


def rules_of(event: Event) -> list[tuple[str, str]]:
    """Name what is wrong with an event: its fields and the rules they break, sorted."""
    return sorted((violation.field, violation.rule) for violation in VALIDATOR.validate(event))


def only(event: Event) -> Violation:
    """Answer the one thing that is wrong with an event."""
    (violation,) = VALIDATOR.validate(event)
    return violation


def row_of(event: Event, *, backfill: bool = False) -> dict[str, Any]:
    """Prepare a valid event and name the values of its row."""
    row = NORMALIZER.prepare(event, NOW, backfill=backfill)
    assert not isinstance(row, Rejected), row
    return dict(zip(COLUMNS, row, strict=True))
