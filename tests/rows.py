"""Rows for tests, as `events.normalize` would make them."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.writer import COLUMNS

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
"""A moment that most tests build on."""
_ids = random.Random(1)  # noqa: S311 - ids that differ within a run are all a test needs


def make_id() -> str:
    """Make an event id that no other test has."""
    return str(uuid.UUID(int=_ids.getrandbits(128), version=4))


def make_row(**values: Any) -> tuple[Any, ...]:
    """Make a row; `values` replaces columns by name, and the actor follows from user and session."""
    row: dict[str, Any] = {
        "event_id": make_id(),
        "event_type": "view",
        "schema_version": "1.1.0",
        "timestamp": NOON,
        "received_at": NOON + timedelta(seconds=1),
        "timestamp_source": None,
        "sequence": 0,
        "user_id": "user-1",
        "session_id": "session-1",
        "platform": "web",
        "user_agent": None,
        "ip_address": None,
        "device": None,
        "event_data": '{"contentType":"post","contentId":"post-1"}',
        **values,
    }
    row.setdefault("actor_id", row["user_id"] or row["session_id"] or row["event_id"])
    return tuple(row[name] for name in COLUMNS)
