"""The runner: runs jobs when they are due, each tick once among all servers, and leaves a row in the audit log."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from jobs.request import JobRequest, Outcome
from jobs.schedule import Job
from runtime.errors import AnalyticsError
from runtime.settings import Settings
from storage.audit import AuditEntry, write_audit
from storage.postgres.database import Database
from storage.postgres.lease import lease
from storage.ticks import Tick, read_ticks, write_tick

log = structlog.get_logger(__name__)

LONGEST_WAIT_S = 5.0
"""How soon a job that became due because a clock was set is noticed."""
SHORTEST_WAIT_S = 0.01
CLOCK_TOLERANCE = timedelta(minutes=1)
"""A run noted further than this in the future was noted by a clock that has been set back since: it counts no more."""


def name_runner() -> str:
    """Name this process for the audit log, as `jobs-1234@host`."""
    return f"jobs-{os.getpid()}@{socket.gethostname()}"


class Runner:
    """Runs jobs on a database, from any number of processes.

    The database records when a job last began. The job is due when its cron expression has a time between that and
    now; the process that holds its lease then records the new time and runs it. So each tick runs once however many
    servers wait for it, missed ticks coalesce into one run, and a killed runner's job is taken over at the next tick.

    Args of the constructor:
        database: a migrated one.
        settings: everything that can be set.
        name: who runs the jobs, for the audit log.
        now: returns the current UTC time.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        name: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._settings = settings
        self._name = name
        self._now = now

    async def keep_running(self, jobs: Sequence[Job], stop: asyncio.Event) -> None:
        """Run the jobs whenever they are due, until `stop` is set. Failures are logged, not raised."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._keep(job)) for job in jobs]
            await stop.wait()
            for task in running:
                task.cancel()

    async def run_if_due(self, job: Job) -> bool:
        """Run a job if it is due and no other process runs it, and return whether it ran.

        Raises:
            AnalyticsError: the database is unavailable, or the job has failed.
        """
        if not await self._is_due(job):
            return False
        async with lease(self._database, f"job:{job.name}") as taken:
            # Another server may have run this tick since it was looked at.
            if not taken or not await self._is_due(job):
                return False
            now = self._now()
            await write_tick(self._database, job.name, Tick(now, self._name))
            await self._run_audited(job, self._request(now))
        return True

    async def run_now(self, job: Job, request: JobRequest | None = None) -> Outcome | None:
        """Run a job whether or not it is due, unless another process runs it: then None.

        Raises:
            AnalyticsError: the database is unavailable, or the job has failed.
        """
        async with lease(self._database, f"job:{job.name}") as taken:
            return await self._run_audited(job, request or self._request(self._now())) if taken else None

    def _request(self, now: datetime) -> JobRequest:
        return JobRequest(database=self._database, settings=self._settings, now=now)

    async def _keep(self, job: Job) -> None:
        while True:
            try:
                await self.run_if_due(job)
                wait_s = await self._wait_s(job)
            except AnalyticsError as exc:
                log.error("job_failed", job=job.name, reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message is the story
                wait_s = LONGEST_WAIT_S
            except Exception:
                log.exception("job_failed", job=job.name)
                wait_s = LONGEST_WAIT_S
            await asyncio.sleep(wait_s)

    async def _is_due(self, job: Job) -> bool:
        due = await self._due_at(job)
        return due is not None and due <= self._now()

    async def _due_at(self, job: Job) -> datetime | None:
        """Return when the job is due next, now at the earliest where it never ran; None for never."""
        cron, now = job.read_cron(self._settings), self._now()
        tick = (await read_ticks(self._database)).get(job.name)
        if tick is not None and tick.started_at <= now + CLOCK_TOLERANCE:
            return cron.next_after(tick.started_at)
        return now if cron.next_after(now) is not None else None

    async def _wait_s(self, job: Job) -> float:
        due = await self._due_at(job)
        if due is None:
            return LONGEST_WAIT_S
        return min(max((due - self._now()).total_seconds(), SHORTEST_WAIT_S), LONGEST_WAIT_S)

    async def _run_audited(self, job: Job, request: JobRequest) -> Outcome:
        started_at, started_s = self._now(), time.perf_counter()
        entry = AuditEntry(
            started_at=started_at,
            finished_at=started_at,
            actor=self._name,
            action=job.name,
            outcome="failed",
            range_start=request.start,
            range_end=request.end,
            details={"pid": os.getpid(), "arguments": request.arguments},
        )
        try:
            outcome = await job.run(request)
        except asyncio.CancelledError:
            with suppress(AnalyticsError):
                await self._write(entry, started_s, outcome="stopped")
            raise
        except Exception as exc:
            reason = exc.reason if isinstance(exc, AnalyticsError) else type(exc).__name__
            await self._write(entry, started_s, details={**entry.details, "reason": reason})
            raise
        done = "dry run" if request.dry_run else "done"
        await self._write(
            entry,
            started_s,
            outcome=done if outcome.is_good else "differences",
            range_start=outcome.start,
            range_end=outcome.end,
            rows=outcome.rows,
            bytes=outcome.bytes,
            details={**entry.details, **outcome.details},
        )
        log.info("job_run", job=job.name, ms=_since_ms(started_s), rows=outcome.rows, **outcome.details)
        return outcome

    async def _write(self, entry: AuditEntry, started_s: float, **values: object) -> None:
        finished_at = entry.started_at + timedelta(milliseconds=_since_ms(started_s))
        await write_audit(self._database, replace(entry, finished_at=finished_at, **values))  # type: ignore[arg-type]


def _since_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1000, 1)
