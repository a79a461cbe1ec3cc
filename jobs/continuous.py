"""What a job does that runs all the time rather than by the clock: it tries again and again, and counts its runs."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from runtime.errors import AnalyticsError
from storage.postgres.database import Database
from storage.postgres.errors import locate_error, name_error
from storage.postgres.lease import lease
from storage.segments.errors import SegmentMissingError
from storage.segments.upkeep import Upkept
from storage.upkeep import UpkeepRun, note_upkeep

log = structlog.get_logger(__name__)

PERIOD_S = 1.0
"""How often a statement or two look whether anything is due."""
LONGEST_PAUSE_S = 60.0
"""After failures the pause doubles up to this: whatever is wrong is tried again every minute."""
pause = asyncio.sleep


class ContinuousJob(ABC):
    """Does what is due, every second; any number of servers may run it on one database.

    Args of the constructor:
        database: a migrated one.
        name: who does it, as in the audit log.
        now: returns the current UTC time.

    Attributes of a class:
        lease: the name of the lease under which it works. It saves work: two processes that do the same stay exact,
            and one of them works in vain.
    """

    lease: str

    def __init__(
        self, database: Database, *, name: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._name = name
        self._now = now
        self._failures = 0

    @abstractmethod
    async def run_once(self) -> bool:
        """Do one piece of each kind of work that is due; tell whether there was any.

        Raises:
            AnalyticsError: the database is away, or something cannot be read.
        """

    async def keep_running(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Failures are logged and counted, not raised; what is under way then is cut off."""
        working = asyncio.create_task(self._keep())
        try:
            await stop.wait()
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def _keep(self) -> None:
        while True:
            pause_s = PERIOD_S
            try:
                if await self.run_once():
                    pause_s = 0.0
                self._failures = 0
            except AnalyticsError as exc:
                pause_s = self._back_off()
                log.error("upkeep_failed", reason=exc.reason, error=str(exc), **self._described(pause_s))  # noqa: TRY400 - the message is the story
            except Exception as exc:  # noqa: BLE001 - whatever it was, it is named in the log
                pause_s = self._back_off()
                log.error("upkeep_failed", error=name_error(exc), at=locate_error(exc), **self._described(pause_s))  # noqa: TRY400 - it may quote events
            await pause(pause_s)

    def _described(self, pause_s: float) -> dict[str, object]:
        return {"work": self.lease, "trying_again_in_s": pause_s}

    def _back_off(self) -> float:
        self._failures += 1
        return float(min(PERIOD_S * 2.0**self._failures, LONGEST_PAUSE_S))

    async def _run(self, job: str, work: Callable[[], Awaitable[Upkept | None]]) -> Upkept | None:
        """Do a piece of work unless another process holds the lease, and count it."""
        async with lease(self._database, self.lease) as taken:
            if not taken:
                return None
            started_at = self._now()
            try:
                upkept = await work()
            except SegmentMissingError:
                return None  # somebody without the lease, as by hand, was first
            except Exception as exc:
                reason = exc.reason if isinstance(exc, AnalyticsError) else type(exc).__name__
                with suppress(AnalyticsError):
                    await self._note(job, started_at, reason=reason)
                raise
            if upkept is None or not upkept.is_done:
                return None
            await self._note(job, started_at, rows=upkept.rows)
            return upkept

    async def _note(self, job: str, started_at: datetime, *, rows: int = 0, reason: str | None = None) -> None:
        run = UpkeepRun(
            job=job, runner=self._name, started_at=started_at, finished_at=self._now(), rows=rows, reason=reason
        )
        await note_upkeep(self._database, run)
