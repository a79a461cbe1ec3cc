"""Reads the ingest ledger: what became of all that came in, hour by hour."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from storage.database import Database
from storage.hours import hour_of
from storage.spool import read_pending_groups
from storage.sql import statement

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class IngestHour:
    """What became of the events received in one UTC hour; `spooled` is what still waits in this machine's spool."""

    hour: datetime
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0

    @property
    def received(self) -> int:
        """All of them: every event ends in one of the four."""
        return self.stored + self.duplicates + self.rejected + self.spooled


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
    groups = await asyncio.to_thread(read_pending_groups, spool_folder)
    async with (
        database.acquire_reader(READ_TIMEOUT_S) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = {row["hour"]: row for row in await connection.fetch(statement("read/ingest_hours"), first)}
        writers = list({group.identity.writer_id for group in groups})
        batches = await connection.fetch(statement("read/last_batches"), writers)
    committed: dict[str, int] = {row["writer_id"]: row["last_batch"] for row in batches}
    pending: Counter[datetime] = Counter()
    for group in groups:
        # What the ledger knows already has only not been removed from the spool yet.
        if group.identity.number > committed.get(group.identity.writer_id, 0):
            pending.update({hour: count for hour, count in group.hours.items() if hour >= first})
    hours = []
    for hour in sorted(rows.keys() | pending.keys()):
        row = rows.get(hour)
        stored, duplicates, rejected = (row["stored"], row["duplicates"], row["rejected"]) if row else (0, 0, 0)
        hours.append(IngestHour(hour, stored, duplicates, rejected, pending[hour]))
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
