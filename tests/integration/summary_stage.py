"""What tests of summaries work on: a database whose events are folded into summaries when a test says so."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from storage.postgres.database import Connection, Database
from storage.retention import RetentionPolicy, purge_aged
from storage.segments.plans import Merge
from storage.segments.store import SegmentStore
from storage.segments.upkeep import SegmentUpkeep
from storage.summaries.checking.rebuilding import RebuildReport, rebuild
from storage.summaries.checking.verification import SummaryDifference, Verification, verify
from storage.summaries.folding import SummaryKeeper
from storage.summaries.parts import list_parts, read_parts, sum_parts
from storage.summaries.periods import DAY, Period, Timeframe
from storage.summaries.summary import Summary
from tests.event_tables import KNOWN
from tests.rows import NOON, make_batch, make_store

EVER = (NOON - 41 * DAY, NOON + 41 * DAY)
"""All that a test writes lies in it: three passes of a verification."""
MIDNIGHT = NOON - timedelta(hours=12)


class SummaryStage:
    """One server of a database."""

    def __init__(self, database: Database, sql: Connection, folder: Path) -> None:
        self.database = database
        self.sql = sql
        self.keeper = SummaryKeeper(database)
        self.segments = SegmentStore(database, KNOWN, cache_folder=folder, cache_bytes=0, summaries=self.keeper)

    async def store(self, *rows: Any) -> None:
        """Write rows as a batch."""
        store = make_store(self.database)
        try:
            await store.store(make_batch(rows))
        finally:
            await store.close()

    async def seal(self) -> None:
        """Seal what there is."""
        await SegmentUpkeep(self.segments).seal_all()

    async def fold(self) -> bool:
        """Seal what there is, and merge what is not summarised, whether or not it is worth while."""
        await self.seal()
        small = [segment for segment in await self.segments.catalogue.list_segments() if not segment.is_summarised]
        return bool(small) and await self.segments.keeper.merge(Merge(small, splits_days=False))

    async def merge_all(self) -> bool:
        """Merge all segments into one."""
        segments = await self.segments.catalogue.list_segments()
        return len(segments) > 1 and await self.segments.keeper.merge(Merge(segments, splits_days=False))

    async def store_and_fold(self, *rows: Any) -> None:
        """Write rows, and fold them."""
        await self.store(*rows)
        await self.fold()

    async def purge(self, *cuts: datetime | None) -> None:
        """Let raw events, hours and days before these midnights go; None keeps them."""
        now = NOON + 1000 * DAY
        days = [0 if cut is None else (now - cut).days for cut in (*cuts, None, None)[:3]]
        await purge_aged(self.database, self.segments, RetentionPolicy(*days), now)

    async def verify(self, *span: datetime) -> Verification:
        """Verify a range, or all there is."""
        start, end = span or EVER
        return await verify(self.database, self.segments.reader, start, end)

    async def differences(self) -> Sequence[SummaryDifference]:
        """Verify all there is; name what is wrong."""
        return (await self.verify()).differences

    async def rebuild(self, *span: datetime) -> RebuildReport:
        """Rebuild a range, or all there is."""
        start, end = span or EVER
        return await rebuild(self.database, self.segments.reader, start, end)

    async def summaries(self, timeframe: Timeframe) -> dict[datetime, Summary]:
        """Read all summaries of a timeframe."""
        keys = await list_parts(self.sql, [(timeframe, datetime.min.replace(tzinfo=NOON.tzinfo), EVER[1] + 9999 * DAY)])
        return {period.start: summary for period, summary in sum_parts(await read_parts(self.sql, keys)).items()}

    async def summary(self, timeframe: Timeframe, start: datetime) -> Summary:
        """Read one."""
        return (await self.summaries(timeframe))[start]

    async def counts(self, timeframe: str) -> dict[tuple[datetime, str], int]:
        """Read `analytics_aggregations` by period and type."""
        rows = await self.sql.fetch(
            "SELECT timestamp, event_type, count FROM analytics_aggregations WHERE timeframe = $1", timeframe
        )
        return {(row["timestamp"], row["event_type"]): row["count"] for row in rows}

    async def parts(self, period: Period) -> int:
        """Count the parts of a summary."""
        return len(await list_parts(self.sql, [(*period, period.end)]))

    async def new_actors(self) -> dict[datetime, int]:
        """Read how many actors are new in each hour, and make sure that the count is that of the first sights."""
        counted = await self.sql.fetch("SELECT hour, count FROM analytics_new_actors WHERE count <> 0 ORDER BY hour")
        assert counted == await self.sql.fetch(
            "SELECT date_trunc('hour', first_at, 'UTC') AS hour, count(*) FROM analytics_first_sights "
            "GROUP BY 1 ORDER BY 1"
        )
        return {row["hour"]: row["count"] for row in counted}
