"""A batch: what one transaction writes, and the identity that makes writing it again harmless."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from storage.audit import AuditEntry

Row = Sequence[Any]
"""An event, in the order of `COLUMNS`."""
Rejection = Sequence[Any]
"""A rejected event, in the order of `REJECTION_COLUMNS`."""

COLUMNS = (
    "event_id",
    "event_type",
    "schema_version",
    "timestamp",
    "received_at",
    "timestamp_source",
    "sequence",
    "actor_id",
    "user_id",
    "session_id",
    "platform",
    "user_agent",
    "ip_address",
    "device",
    "event_data",
)
"""The order of a row; `events.normalize` makes rows in it."""
EVENT_ID, TIMESTAMP, RECEIVED_AT = 0, 3, 4

REJECTION_COLUMNS = (
    "rejection_id",
    "received_at",
    "reason",
    "source",
    "event_id",
    "event_type",
    "violations",
    "payload",
    "payload_bytes",
    "payload_type",
)
"""The order of a rejection; `events.rejection` makes rejections in it."""
REJECTION_RECEIVED_AT, REASON, SOURCE, VIOLATIONS, PAYLOAD, PAYLOAD_BYTES = 1, 2, 3, 6, 7, 8


class WriteOutcome(Enum):
    """What became of a row. All but the last two are durable and need not be sent again."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The same event is stored already."""
    SPOOLED = "spooled"
    """Synced to the local spool; stored when the database is back."""
    CONFLICT = "conflict"
    """Its id belongs to another event; it is in quarantine."""
    REFUSED = "refused"
    """Postgres refuses what it holds; it is in quarantine."""


@dataclass(frozen=True, slots=True)
class BatchIdentity:
    """The permanent name of a batch: its writer's id (UUID text) and a number that rises with each of its batches.

    The batch's transaction records it in the ingest ledger, where this process or another can look up whether the
    transaction was committed.
    """

    writer_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Events and rejections that one transaction writes.

    Attributes:
        rows: events; ids may repeat.
        rejections: events that were refused, for the quarantine.
        claimed_at: the moment of the claim, the same for all attempts to write this batch.
        identity: where an earlier attempt may have been committed, the one it used; else None.
        replays: where the rows are replayed rejections, the rejection id of each. Its transaction then marks as
            replayed what is stored, and rows that are turned down are neither quarantined nor counted once more.
        audit: of a batch of replays, what makes an audit entry of the rows' outcomes, which its transaction adds.
    """

    rows: Sequence[Row]
    rejections: Sequence[Rejection]
    claimed_at: datetime
    identity: BatchIdentity | None = None
    replays: Sequence[str] = ()
    audit: Callable[[Sequence[WriteOutcome]], AuditEntry] | None = None

    def __len__(self) -> int:
        """Count what it holds."""
        return len(self.rows) + len(self.rejections)
