"""What becomes of the rows of a batch: judged by the key ledger, and counted for the ingest ledger."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import repeat

from storage.postgres.database import Connection
from storage.sql import statement
from storage.write.batch import EVENT_ID, RECEIVED_AT, REJECTION_RECEIVED_AT, Batch, Row, WriteOutcome
from storage.write.fingerprint import fingerprint
from storage.write.hours import count_by_hour, hour_of

Refused = frozenset[tuple[object, ...]]
"""Rows that cannot be stored."""
STORED, DUPLICATES, REJECTED = "stored", "duplicates", "rejected"
LABELS = {
    WriteOutcome.STORED: STORED,
    WriteOutcome.DUPLICATE: DUPLICATES,
    WriteOutcome.CONFLICT: REJECTED,
    WriteOutcome.REFUSED: REJECTED,
}
"""How the ingest ledger counts each outcome."""


async def judge(connection: Connection, rows: Sequence[Row], fresh: Collection[str]) -> list[WriteOutcome]:
    """Tell stored rows, repeats and conflicts apart, after their ids were claimed.

    Args:
        connection: in the transaction that has claimed them.
        rows: in the order in which they came.
        fresh: the ids that this transaction has claimed.
    """
    known = await _recall_keys(connection, rows)
    seen: set[str] = set()
    outcomes = []
    for row in rows:
        event_id = row[EVENT_ID]
        key = known.get(event_id)
        if key is not None and event_id in fresh and event_id not in seen:
            seen.add(event_id)
            outcomes.append(WriteOutcome.STORED)
        elif key is None or key[1] == fingerprint(row):  # without a key: just now purged with its event
            outcomes.append(WriteOutcome.DUPLICATE)
        else:
            outcomes.append(WriteOutcome.CONFLICT)
    return outcomes


async def recall(connection: Connection, rows: Sequence[Row], claimed_at: datetime) -> list[WriteOutcome]:
    """Work out the outcomes of rows that an earlier attempt has committed.

    Args:
        connection: idle.
        rows: in the order in which they came.
        claimed_at: the moment of that attempt's claim, which its keys bear.
    """
    known = await _recall_keys(connection, [row for row in rows if has_id(row)])
    seen: set[str] = set()
    outcomes = []
    for row in rows:
        event_id = row[EVENT_ID]
        key = known.get(event_id)
        if key is None:
            outcomes.append(WriteOutcome.REFUSED)
        elif key[0] == claimed_at and event_id not in seen:
            # One with another fingerprint came before the one that is stored, and was refused.
            is_stored = key[1] == fingerprint(row)
            outcomes.append(WriteOutcome.STORED if is_stored else WriteOutcome.REFUSED)
            if is_stored:
                seen.add(event_id)
        else:
            outcomes.append(WriteOutcome.DUPLICATE if key[1] == fingerprint(row) else WriteOutcome.CONFLICT)
    return outcomes


def tally(batch: Batch, outcomes: Sequence[WriteOutcome] | None) -> Counter[tuple[datetime, str]]:
    """Count what becomes of a batch by hour of receipt and label; None: all rows are stored."""
    if outcomes is None:
        counts = _count_stored([row[RECEIVED_AT] for row in batch.rows])
    else:
        labels = ((row[RECEIVED_AT], LABELS[outcome]) for row, outcome in zip(batch.rows, outcomes, strict=True))
        # A replay that fails again was counted when it was rejected.
        counts = count_by_hour(label for label in labels if not batch.replays or label[1] != REJECTED)
    counts.update(count_by_hour((rejection[REJECTION_RECEIVED_AT], REJECTED) for rejection in batch.rejections))
    return counts


def _count_stored(moments: Sequence[datetime]) -> Counter[tuple[datetime, str]]:
    """Count by hour: at once where it is one hour, as for nearly every batch."""
    if moments and (hour := hour_of(min(moments))) == hour_of(max(moments)):
        return Counter({(hour, STORED): len(moments)})
    return count_by_hour((moment, STORED) for moment in moments)


def first_of_each(rows: Sequence[Row], fresh: Collection[str]) -> list[Row]:
    """Keep the first row of each fresh id, in order."""
    left = set(fresh)
    kept = []
    for row in rows:
        if row[EVENT_ID] in left:
            left.remove(row[EVENT_ID])
            kept.append(row)
    return kept


def with_refused(rows: Sequence[Row], outcomes: Sequence[WriteOutcome] | None, refused: Refused) -> list[WriteOutcome]:
    """Complete the outcomes of the other rows (None: all are stored) by those of refused ones."""
    others = iter(outcomes) if outcomes is not None else repeat(WriteOutcome.STORED)
    return [WriteOutcome.REFUSED if tuple(row) in refused else next(others) for row in rows]


def has_id(row: Row) -> bool:
    """Tell whether the id of a row is a UUID."""
    try:
        uuid.UUID(row[EVENT_ID])
    except (ValueError, AttributeError, TypeError):
        return False
    return True


async def _recall_keys(connection: Connection, rows: Sequence[Row]) -> dict[str, tuple[datetime, int]]:
    """Read the moment of the claim and the fingerprint of each id that the key ledger has."""
    records = await connection.fetch(statement("write/recall_keys"), list({row[EVENT_ID] for row in rows}))
    return {record["event_id"]: (record["received_at"], record["fingerprint"]) for record in records}
