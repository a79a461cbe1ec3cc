"""The schedule: every job, when it runs and what for, in one table."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from jobs import partitions
from runtime.errors import AnalyticsError
from storage.database import Database
from storage.lease import lease

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A job: `run(database, now)` is idempotent and returns counts for the log; `cron` is in UTC."""

    name: str
    cron: str
    run: Callable[[Database, datetime], Awaitable[Mapping[str, int]]]
    purpose: str


JOBS = (Job("partitions", "7 0 * * *", partitions.run, "make the partitions of the coming days"),)


async def run_once(job: Job, database: Database, now: datetime) -> bool:
    """Run a job now unless another process runs it already; return whether it ran. Failures are logged, not raised."""
    started_at = time.perf_counter()
    try:
        async with lease(database, f"job:{job.name}") as taken:
            if not taken:
                log.info("job_skipped", job=job.name, because="another process runs it")
                return False
            counts = await job.run(database, now)
    except AnalyticsError as exc:
        log.error("job_failed", job=job.name, reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message is the story
        return False
    except Exception:
        log.exception("job_failed", job=job.name)
        return False
    log.info("job_run", job=job.name, ms=round((time.perf_counter() - started_at) * 1000, 1), **counts)
    return True


async def run_schedule(database: Database, stop: asyncio.Event) -> None:
    """Run every job once now, and then by its cron line until `stop` is set."""
    scheduler = AsyncIOScheduler(timezone=UTC)
    for job in JOBS:
        await run_once(job, database, datetime.now(UTC))
        scheduler.add_job(
            _tick,
            CronTrigger.from_crontab(job.cron, timezone=UTC),
            args=(job, database),
            id=job.name,
            # A machine that slept runs a missed job once, however many ticks it missed.
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )
    scheduler.start()
    try:
        await stop.wait()
    finally:
        scheduler.shutdown(wait=False)


async def _tick(job: Job, database: Database) -> None:
    await run_once(job, database, datetime.now(UTC))
