"""The job that deletes data older than its retention period."""

from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from storage.retention import RetentionPolicy, purge_aged, survey_aged


async def run(request: JobRequest) -> Outcome:
    """Drop what is older than the settings say, after summarising it; idempotent, and resumed by the next run.

    Raises:
        SegmentError: a segment that has aged cannot be read; all others are done.
        StorageUnavailableError: what is left is for the next run.
    """
    settings = request.settings
    policy = RetentionPolicy(settings.retention_raw_days, settings.retention_hourly_days, settings.retention_daily_days)
    work = survey_aged if request.dry_run else purge_aged
    aged = await work(request.database, open_segments(request.database, request.settings), policy, request.now)
    return Outcome(
        rows=sum(one.rows for one in aged),
        bytes=sum(one.bytes for one in aged),
        end=policy.raw_before(request.now),
        details={one.what: {"rows": one.rows, "bytes": one.bytes} for one in aged},
    )
