"""The job that makes the partitions of the coming days."""

from datetime import UTC

from jobs.order import Order, Outcome
from storage.partitions import Partitions, analyze_grown


async def run(order: Order) -> Outcome:
    """Make sure that today and the days ahead have partitions; idempotent.

    Raises:
        StorageUnavailableError: the database is unavailable; the next run does it.
    """
    partitions = Partitions(order.database, now=lambda: order.now)
    await partitions.refresh()
    if order.dry_run:
        return Outcome(details={"missing": len(partitions.missing_ahead(order.now.astimezone(UTC).date()))})
    made = await partitions.ensure_ahead(order.now.astimezone(UTC).date())
    return Outcome(details={"made": made, "partitions_analyzed": await analyze_grown(order.database)})
