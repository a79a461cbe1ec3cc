"""The job that makes the partitions of the coming days."""

from datetime import UTC, datetime

from storage.database import Database
from storage.partitions import Partitions


async def run(database: Database, now: datetime) -> dict[str, int]:
    """Make sure that today and the days ahead have partitions; idempotent.

    Returns:
        Counts for the log: `made`, the partitions that were missing.

    Raises:
        StorageUnavailableError: the database is away; the next run does it.
    """
    partitions = Partitions(database)
    await partitions.refresh()
    return {"made": await partitions.ensure_ahead(now.astimezone(UTC).date())}
