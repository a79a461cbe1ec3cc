"""Rows for tests, as `events.normalize` would make them."""

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from server.ingest.pipeline import reject_stored
from storage.blocks.pseudonyms import Pseudonyms
from storage.blocks.store import BlockStore
from storage.postgres.database import Database
from storage.quarantine import Quarantine
from storage.write.batch import COLUMNS, REJECTION_COLUMNS, Batch

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
"""A moment that most tests build on."""
ACTORS = Pseudonyms(b"k" * 32, "a test")
"""The pseudonyms of all that tests store."""
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


def make_rejection(**values: Any) -> tuple[Any, ...]:
    """Make a rejection; `values` replaces columns by name."""
    rejection: dict[str, Any] = {
        "rejection_id": make_id(),
        "received_at": NOON,
        "reason": "INVALID_EVENT",
        "source": "Track",
        "event_id": "not-a-uuid",
        "event_type": "view",
        "violations": '[{"field":"event_id","rule":"UUID"}]',
        "payload": b"payload",
        "payload_bytes": 7,
        "payload_type": "application/json",
        **values,
    }
    return tuple(rejection[name] for name in REJECTION_COLUMNS)


def make_batch(rows: Sequence[Any], rejections: Sequence[Any] = (), **values: Any) -> Batch:
    """Make a batch that claims its ids now."""
    return Batch(rows, rejections, **{"claimed_at": datetime.now(UTC), **values})


def make_store(database: Database, quarantine: Quarantine | None = None) -> BlockStore:
    """Make a store with a quarantine that is never full."""
    return BlockStore(
        database,
        quarantine or Quarantine(max_bytes=1 << 40),
        reject_row=reject_stored,
        hash_actor=ACTORS.of,
    )
