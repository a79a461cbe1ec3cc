"""How far `analytics_events` is behind what is stored."""

from dataclasses import dataclass

from storage.events_table.statements import statement
from storage.postgres.database import Database

READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class CopyLag:
    """What is stored and not copied yet.

    Attributes:
        rows: events, in blocks and segments.
        seconds: for how long the oldest of them has been stored; 0 where there are none. The table has all events of
            its days that were stored before that.
    """

    rows: int
    seconds: float


async def read_copy_lag(database: Database) -> CopyLag:
    """Read how far the table is behind.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        record = await connection.fetchrow(statement("read_lag"))
    assert record is not None  # noqa: S101 - aggregates answer one row
    return CopyLag(*record)
