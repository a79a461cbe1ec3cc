"""The job that keeps the table `analytics_events`, for SQL and BI tools."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from jobs.continuous import ContinuousJob
from jobs.open_segments import open_segments
from jobs.request import JobRequest, Outcome
from storage.events_table.copying import EventsCopier
from storage.events_table.days import TableWindow
from storage.events_table.lag import read_copy_lag
from storage.postgres.database import Database
from storage.segments.store import SegmentStore
from storage.segments.upkeep import Upkept

COPY = "copy"
PIECE_S = 10.0
"""So long it copies before it looks again which segment is next, and notes what it did."""


async def run(request: JobRequest) -> Outcome:
    """Copy what is sealed and not copied yet, and drop the days that the table no longer keeps; idempotent.

    Raises:
        SegmentError: a segment cannot be read; all others are copied.
        LeaseTakenError: the table has to be filled anew, and somebody is reading it.
        StorageUnavailableError: what is left is for the next run.
    """
    if request.dry_run:
        lag = await read_copy_lag(request.database)
        return Outcome(rows=lag.rows, details={"waiting": lag.rows})
    copier = EventsCopier(request.database, open_segments(request.database, request.settings))
    copied = await copier.run(_window(request.now, request.settings.events_table_days), within_s=math.inf)
    return Outcome(
        rows=copied.counted,
        details={"stored": copied.stored, "refused": copied.refused, "days_dropped": copied.dropped_days},
    )


class TableCopy(ContinuousJob):
    """Copies what is sealed, at its own pace, beside sealing and merging.

    Args of the constructor:
        database, name, now: as in `ContinuousJob`.
        store: the segments of the database.
        days: how many days the table keeps; 0 for no table.
    """

    lease = "copy"

    def __init__(
        self,
        database: Database,
        store: SegmentStore,
        *,
        days: int,
        name: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(database, name=name, now=now)
        self._copier = EventsCopier(database, store)
        self._days = days

    async def run_once(self) -> bool:
        """Copy for some seconds, where there is something to copy; tell whether there was.

        Raises:
            AnalyticsError: the database is away, or a segment cannot be read.
        """
        if not await self._copier.is_due(_window(self._now(), self._days)):
            return False
        return await self._run(COPY, self._copy) is not None

    async def _copy(self) -> Upkept:
        copied = await self._copier.run(_window(self._now(), self._days), within_s=PIECE_S)
        return Upkept(copied.segments, copied.counted, is_done=bool(copied.counted or copied.dropped_days))


def _window(now: datetime, days: int) -> TableWindow | None:
    return TableWindow.of(now, days) if days else None
