"""Sealing, merging, and sweeping what nobody needs any more."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from jobs.continuous import ContinuousJob
from storage.postgres.database import Database
from storage.segments.store import SegmentStore
from storage.segments.upkeep import SegmentUpkeep, Upkept
from storage.summaries.folding import SummaryKeeper

SWEEP_S = 60.0
SEAL, MERGE = "seal", "merge"


class Upkeep(ContinuousJob):
    """Seals and merges what is due.

    Args of the constructor:
        database, name, now: as in `ContinuousJob`.
        store: the segments of the database.
    """

    lease = "upkeep"

    def __init__(
        self,
        database: Database,
        store: SegmentStore,
        *,
        name: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(database, name=name, now=now)
        self._store = store
        self._upkeep = SegmentUpkeep(store)
        self._summaries = SummaryKeeper(database)
        self._next_sweep_s = 0.0

    async def run_once(self) -> bool:
        """Seal once and merge once, where it is due; tell whether there was any work.

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

    async def _sweep_if_due(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + SWEEP_S
            await self._store.catalogue.sweep()
