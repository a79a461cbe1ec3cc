"""What runs all the time rather than by the clock: sealing, merging, and sweeping what nobody needs any more."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from runtime.errors import AnalyticsError
from storage.postgres.database import Database
from storage.postgres.lease import lease
from storage.segments.errors import SegmentMissingError
from storage.segments.store import SegmentStore
from storage.segments.upkeep import SegmentUpkeep, Upkept
from storage.summaries.folding import SummaryKeeper
from storage.upkeep import UpkeepRun, note_upkeep

log = structlog.get_logger(__name__)

PERIOD_S = 1.0
"""How often one statement looks whether anything is due."""
SWEEP_S = 60.0
LONGEST_PAUSE_S = 60.0
"""After failures the pause doubles up to this: whatever is wrong is tried again every minute."""
pause = asyncio.sleep
SEAL, MERGE = "seal", "merge"
LEASE = "upkeep"
"""It saves work: two processes that seal the same blocks stay exact, and one of them worked in vain."""


class Upkeep:
    """Seals and merges what is due, every second; any number of servers may run it on one database.

    Args of the constructor:
        database: a migrated one.
        store: its segments.
        name: who does it, as in the audit log.
        now: returns the current UTC time.
    """

    def __init__(
        self,
        database: Database,
        store: SegmentStore,
        *,
        name: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._store = store
        self._upkeep = SegmentUpkeep(store)
        self._summaries = SummaryKeeper(database)
        self._name = name
        self._now = now
        self._failures = 0
        self._next_sweep_s = 0.0

    async def keep_running(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. Failures are logged and counted, not raised; what is under way then is cut off."""
        working = asyncio.create_task(self._keep())
        try:
            await stop.wait()
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def run_once(self) -> bool:
        """Do one piece of each kind of work that is due; tell whether there was any.

        Raises:
            AnalyticsError: the database is away, or something cannot be read.
        """
        await self._sweep_if_due()
        sealed = merged = None
        if await self._upkeep.blocks_due(self._now()):
            sealed = await self._run(SEAL, lambda: self._upkeep.seal(self._now()))
        if await self._upkeep.merge_due() is not None:
            merged = await self._run(MERGE, self._merge)
        return sealed is not None or merged is not None

    async def _merge(self) -> Upkept | None:
        """Merge, and put the summaries together that this has added to."""
        merged = await self._upkeep.merge()
        if merged is not None and merged.is_done:
            await self._summaries.compact()
        return merged

    async def _keep(self) -> None:
        while True:
            pause_s = PERIOD_S
            try:
                if await self.run_once():
                    pause_s = 0.0
                self._failures = 0
            except AnalyticsError as exc:
                pause_s = self._back_off()
                log.error("upkeep_failed", reason=exc.reason, error=str(exc), trying_again_in_s=pause_s)  # noqa: TRY400 - the message is the story
            except Exception:
                pause_s = self._back_off()
                log.exception("upkeep_failed", trying_again_in_s=pause_s)
            await pause(pause_s)

    def _back_off(self) -> float:
        self._failures += 1
        return float(min(PERIOD_S * 2.0**self._failures, LONGEST_PAUSE_S))

    async def _run(self, job: str, work: Callable[[], Awaitable[Upkept | None]]) -> Upkept | None:
        """Do a piece of work unless another process holds the lease, and count it."""
        async with lease(self._database, LEASE) as taken:
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

    async def _sweep_if_due(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + SWEEP_S
            await self._store.catalogue.sweep()
