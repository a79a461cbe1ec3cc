"""The range that a job works on where none is given."""

from datetime import datetime

from jobs.order import Order
from storage.partitions import read_partitions
from storage.rollups.periods import DAY, midnight_of


async def stored_range(order: Order) -> tuple[datetime, datetime]:
    """Tell the order's range; where it has no start or end, that of all raw events.

    Raises:
        StorageUnavailableError: the database is unavailable.
    """
    days = [partition.day for partition in await read_partitions(order.database)]
    start = order.start or (midnight_of(days[0]) if days else order.now)
    end = order.end or (midnight_of(days[-1]) + DAY if days else order.now)
    return start, max(start, end)
