"""The range that a job works on where none is given."""

from datetime import datetime

from jobs.request import JobRequest
from storage.partitions import read_partitions
from storage.rollups.periods import DAY, midnight_of


async def stored_range(request: JobRequest) -> tuple[datetime, datetime]:
    """Tell the request's range; where it has no start or end, that of all raw events.

    Raises:
        StorageUnavailableError: the database is unavailable.
    """
    days = [partition.day for partition in await read_partitions(request.database)]
    start = request.start or (midnight_of(days[0]) if days else request.now)
    end = request.end or (midnight_of(days[-1]) + DAY if days else request.now)
    return start, max(start, end)
