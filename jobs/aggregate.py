"""The job that folds what was written into the rollups."""

from jobs.order import Order, Outcome
from storage.partitions import analyze_grown
from storage.rollups import fold


async def run(order: Order) -> Outcome:
    """Bring the rollups of every hour that changed up to date; idempotent.

    Raises:
        LeaseTakenError, StorageUnavailableError: the next run does it.
    """
    folded = await fold(order.database)
    analyzed = await analyze_grown(order.database)
    return Outcome(
        rows=folded.events,
        start=folded.start,
        end=folded.end,
        details={"hours": folded.hours, "partitions_analyzed": analyzed},
    )
