"""The job that deletes data older than its retention period."""

from jobs.request import JobRequest, Outcome
from storage.retention import RetentionPolicy, purge_aged, survey_aged
from storage.rollups import fold


async def run(request: JobRequest) -> Outcome:
    """Drop what is older than the settings say, after folding it; idempotent, and resumed by the next run.

    Raises:
        LeaseTakenError, StorageUnavailableError: what is left is for the next run.
    """
    settings = request.settings
    policy = RetentionPolicy(settings.retention_raw_days, settings.retention_hourly_days, settings.retention_daily_days)
    if request.dry_run:
        aged = await survey_aged(request.database, policy, request.now)
    else:
        await fold(request.database)
        aged = await purge_aged(request.database, policy, request.now)
    return Outcome(
        rows=sum(one.rows for one in aged),
        bytes=sum(one.bytes for one in aged),
        end=policy.raw_before(request.now),
        details={one.what: {"rows": one.rows, "bytes": one.bytes} for one in aged},
    )
