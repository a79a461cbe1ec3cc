"""The job that makes rollups anew."""

from dataclasses import replace

from jobs import verify
from jobs.request import JobRequest, Outcome
from jobs.stored_range import stored_range
from storage.rollups import rebuild


async def run(request: JobRequest) -> Outcome:
    """Recompute the rollups of a range, or of all raw events; what is frozen stays.

    A dry run lists the rollups that would change, as a verification does.

    Raises:
        LeaseTakenError, StorageUnavailableError: days before the failure are done; run it again.
    """
    if request.dry_run:
        return replace(await verify.run(request), is_good=True)
    done = await rebuild(request.database, *await stored_range(request))
    return Outcome(start=done.start, end=done.end, details={"hours": done.hours})
