"""The job that folds what was written into the rollups."""

from jobs.request import JobRequest, Outcome
from storage.job_health import read_unfolded
from storage.partitions import analyze_grown
from storage.rollups import Timeframe, fold


async def run(request: JobRequest) -> Outcome:
    """Bring the rollups of every hour that changed up to date; idempotent.

    Raises:
        LeaseTakenError, StorageUnavailableError: the next run does it.
    """
    if request.dry_run:
        unfolded = await read_unfolded(request.database)
        newest = unfolded.newest_hour
        return Outcome(
            rows=unfolded.events,
            start=unfolded.oldest_hour,
            end=None if newest is None else Timeframe.HOUR.end_of(newest),
            details={"events": unfolded.events, "hours": unfolded.hours},
        )
    folded = await fold(request.database)
    analyzed = await analyze_grown(request.database)
    return Outcome(
        rows=folded.events,
        start=folded.start,
        end=folded.end,
        details={"events": folded.events, "hours": folded.hours, "partitions_analyzed": analyzed},
    )
