"""The job that deletes data older than its retention period."""

from jobs.order import Order, Outcome
from storage.retention import RetentionPolicy, purge_aged, survey_aged
from storage.rollups import fold


async def run(order: Order) -> Outcome:
    """Drop what is older than the settings say, after folding it; idempotent, and resumed by the next run.

    Raises:
        LeaseTakenError, StorageUnavailableError: what is left is for the next run.
    """
    settings = order.settings
    policy = RetentionPolicy(settings.retention_raw_days, settings.retention_hourly_days, settings.retention_daily_days)
    if order.dry_run:
        aged = await survey_aged(order.database, policy, order.now)
    else:
        await fold(order.database)
        aged = await purge_aged(order.database, policy, order.now)
    return Outcome(
        rows=sum(one.rows for one in aged),
        bytes=sum(one.bytes for one in aged),
        end=policy.raw_before(order.now),
        details={one.what: {"rows": one.rows, "bytes": one.bytes} for one in aged},
    )
