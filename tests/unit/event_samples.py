"""Events for the tests of the rules, and ways to make them from the JSON that callers send."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format

from events.catalogue import load_catalogue
from events.normalize import COLUMNS, Normalizer, Rejected
from events.rules.validation import Validator
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


def json_by_data(event_type: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """Make the same as JSON."""
    return {"eventType": event_type, "data": data, **envelope}


def json_typed(event_type: str, payload: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """Make the same as JSON."""
    return {event_type: payload, **envelope}


AnyEvent = Event | dict[str, Any]
Maker = Callable[..., AnyEvent]
MESSAGES: tuple[Maker, ...] = (typed, by_data)
JSONS: tuple[Maker, ...] = (json_typed, json_by_data)


def path_in(make: Maker, event_type: str, path: str) -> str:
    """Write a path into the payload, by JSON names, as those write it who send events so."""
    if make in (by_data, json_by_data):
        return f"data.{path}"
    first = re.match(r"\w*", path)
    name = first[0] if first else ""
    names = {field.json_name: field.name for field in CATALOGUE.types[event_type].fields}
    return f"{event_type}.{path if make is json_typed else names.get(name, name) + path[len(name) :]}"


def validate(event: AnyEvent) -> list[Violation]:
    """Find all that is wrong with an event of either form."""
    return VALIDATOR.validate_json(event) if isinstance(event, dict) else VALIDATOR.validate(event)


def rules_of(event: AnyEvent) -> list[tuple[str, str]]:
    """Name what is wrong with an event: its fields and the rules they break, sorted."""
    return sorted((violation.field, violation.rule) for violation in validate(event))


def only(event: AnyEvent) -> Violation:
    """Answer the one thing that is wrong with an event."""
    (violation,) = validate(event)
    return violation


def row_of(event: AnyEvent, *, backfill: bool = False) -> dict[str, Any]:
    """Prepare a valid event and name the values of its row."""
    prepare = NORMALIZER.prepare_json if isinstance(event, dict) else NORMALIZER.prepare
    row = prepare(event, NOW, backfill=backfill)  # type: ignore[arg-type] # each takes its own form
    assert not isinstance(row, Rejected), row
    return dict(zip(COLUMNS, row, strict=True))
