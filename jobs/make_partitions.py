"""The job that makes the partitions of the coming days."""

from datetime import UTC

from jobs.request import JobRequest, Outcome
from storage.partitions import Partitions, analyze_grown


async def run(request: JobRequest) -> Outcome:
    """Make sure that today and the days ahead have partitions; idempotent.

    Raises:
        StorageUnavailableError: the database is unavailable; the next run does it.
    """
    partitions = Partitions(request.database, now=lambda: request.now)
    await partitions.refresh()
    if request.dry_run:
        return Outcome(details={"missing": len(partitions.missing_ahead(request.now.astimezone(UTC).date()))})
    made = await partitions.ensure_ahead(request.now.astimezone(UTC).date())
    return Outcome(details={"made": made, "partitions_analyzed": await analyze_grown(request.database)})
