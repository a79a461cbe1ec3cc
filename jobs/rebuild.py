"""The job that makes rollups anew."""

from dataclasses import replace

from jobs import verify
from jobs.order import Order, Outcome
from jobs.stored_range import stored_range
from storage.rollups import rebuild


async def run(order: Order) -> Outcome:
    """Recompute the rollups of a range, or of all raw events; what is frozen stays.

    A dry run lists the rollups that would change, as a verification does.

    Raises:
        LeaseTakenError, StorageUnavailableError: days before the failure are done; run it again.
    """
    if order.dry_run:
        return replace(await verify.run(order), is_good=True)
    done = await rebuild(order.database, *await stored_range(order))
    return Outcome(start=done.start, end=done.end, details={"hours": done.hours})
