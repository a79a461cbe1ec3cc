"""Reads the ingest ledger: what became of all that came in, hour by hour."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from storage.postgres.database import Database
from storage.spool import PendingGroup, SetAside, read_pending_parts
from storage.sql import statement
from storage.write.hours import hour_of

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class IngestHour:
    """What became of the events received in one UTC hour.

    Attributes:
        spooled: what still waits in this machine's spool.
        set_aside: what the database did not take, and waits beside the spool for somebody to put it back.
    """

    hour: datetime
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0
    set_aside: int = 0

    @property
    def received(self) -> int:
        """All of them: every event ends in one of the five."""
        return self.stored + self.duplicates + self.rejected + self.spooled + self.set_aside


@dataclass(frozen=True, slots=True)
class StorageSize:
    """Bytes on the database's disk."""

    database_bytes: int
    quarantine_bytes: int


async def read_ingest_hours(
    database: Database, spool_folder: Path, *, since: datetime = BEGINNING
) -> Sequence[IngestHour]:
    """Read the hours in which anything was received, oldest first.

    Args:
        database: with the ledger.
        spool_folder: of this machine's data directory; it need not exist.
        since: the first moment, aware; its hour is included.

    Raises:
        StorageUnavailableError: the database is away.
    """
    first = hour_of(since.astimezone(UTC))
    groups, asides = await asyncio.to_thread(read_pending_parts, spool_folder)
    async with (
        database.acquire_reader(READ_TIMEOUT_S) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = {row["hour"]: row for row in await connection.fetch(statement("read/ingest_hours"), first)}
        identities = [group.identity for group in groups] + [aside.identity for aside in asides]
        writers = list({identity.writer_id for identity in identities})
        batches = await connection.fetch(statement("read/last_batches"), writers)
    committed: dict[str, int] = {row["writer_id"]: row["last_batch"] for row in batches}

    def count(waiting: Sequence[PendingGroup] | Sequence[SetAside]) -> Counter[datetime]:
        counts: Counter[datetime] = Counter()
        for each in waiting:
            # What the ledger knows already has only not been removed from the disk yet.
            if each.identity.number > committed.get(each.identity.writer_id, 0):
                counts.update({hour: number for hour, number in each.hours.items() if hour >= first})
        return counts

    pending, set_aside = count(groups), count(asides)
    hours = []
    for hour in sorted(rows.keys() | pending.keys() | set_aside.keys()):
        row = rows.get(hour)
        stored, duplicates, rejected = (row["stored"], row["duplicates"], row["rejected"]) if row else (0, 0, 0)
        hours.append(IngestHour(hour, stored, duplicates, rejected, pending[hour], set_aside[hour]))
    return hours


async def read_storage_size(database: Database) -> StorageSize:
    """Ask the database how large it is.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        row = await connection.fetchrow(statement("read/storage_size"))
    assert row is not None  # noqa: S101 - the statement always answers one row
    return StorageSize(row["database_bytes"], row["quarantine_bytes"])
