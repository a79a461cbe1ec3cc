"""What the jobs do by an injected clock: at the ends of hours, days, months and years, after 90 days, and set back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from jobs.runner import Runner
from jobs.schedule import JOBS
from runtime.settings import Settings
from storage.partitions import DAYS_AHEAD, Partitions, read_partitions
from storage.postgres.database import Connection, Database
from storage.rollups import Timeframe
from storage.write.batch import WriteOutcome
from tests.rows import make_batch, make_row, make_store

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVERY_MINUTE = "* * * * *"
SETTINGS = replace(Settings(), aggregate_cron=EVERY_MINUTE, partitions_cron=EVERY_MINUTE, retention_cron=EVERY_MINUTE)
YEAR_END = datetime(2027, 1, 1, tzinfo=UTC)
ENDS = [
    pytest.param(datetime(2026, 3, 10, 13, tzinfo=UTC), id="hour"),
    pytest.param(datetime(2026, 3, 11, tzinfo=UTC), id="day"),
    pytest.param(datetime(2028, 3, 1, tzinfo=UTC), id="month"),
    pytest.param(YEAR_END, id="year"),
]


class Server:
    """A server whose clock stands where it is put, and whose events happen now."""

    def __init__(self, database: Database) -> None:
        self.now = YEAR_END
        self.database = database
        self._runner = Runner(database, SETTINGS, name="server", now=lambda: self.now)

    async def track(self, moment: datetime | None = None) -> None:
        """Store an event of this moment, or of another one."""
        store = make_store(self.database, Partitions(self.database, now=lambda: self.now))
        row = make_row(timestamp=moment or self.now, received_at=self.now)
        assert await store.store(make_batch([row])) == [WriteOutcome.STORED]
        await store.close()

    async def tick(self) -> list[str]:
        """Run what is due, and name it."""
        return [job.name for job in JOBS if await self._runner.run_if_due(job)]

    async def days(self) -> list[date]:
        """List the days that have a partition."""
        return [partition.day for partition in await read_partitions(self.database)]


async def count(sql: Connection, timeframe: Timeframe) -> Mapping[datetime, int]:
    """Add up the rollups of each period."""
    rows = await sql.fetch(
        "SELECT timestamp, sum(count)::int AS count FROM analytics_aggregations WHERE timeframe = $1 GROUP BY 1",
        timeframe.value,
    )
    return {row["timestamp"]: row["count"] for row in rows}


def expect(timeframe: Timeframe, *moments: datetime) -> Mapping[datetime, int]:
    """Count moments by period."""
    starts = [timeframe.start_of(moment) for moment in moments]
    return {start: starts.count(start) for start in starts}


@pytest.mark.parametrize("end", ENDS)
async def test_each_event_falls_on_its_side_of_an_end(database: Database, sql: Connection, end: datetime) -> None:
    """Folded before, at, and after it, and once more when the clock was set back by an hour."""
    server = Server(database)
    moments = [end - MICROSECOND, end, end + MINUTE, end + 2 * MINUTE - HOUR]
    for place, server.now in enumerate(moments):
        await server.track()
        assert await server.tick() == ["aggregate", "retention", "partitions"]
        assert await server.tick() == []
        for timeframe in Timeframe:
            assert await count(sql, timeframe) == expect(timeframe, *moments[: place + 1])
    assert (await count(sql, Timeframe.HOUR))[end] == 2


@pytest.mark.parametrize("end", ENDS[1:])
async def test_the_week_ahead_moves_on_at_midnight(database: Database, end: datetime) -> None:
    """Not a microsecond before; a clock that is set back takes nothing away, and nothing is missing after it."""
    server = Server(database)
    today = (end - DAY).date()
    server.now = end - MICROSECOND
    await server.tick()
    week = [today + timedelta(days=number) for number in range(DAYS_AHEAD + 1)]
    assert await server.days() == week
    server.now = end
    await server.tick()
    assert await server.days() == [*week, today + timedelta(days=DAYS_AHEAD + 1)]
    server.now = end - HOUR
    await server.tick()
    assert await server.days() == [*week, today + timedelta(days=DAYS_AHEAD + 1)]


async def test_raw_events_are_kept_for_ninety_days_to_the_minute_by_any_clock(
    database: Database, sql: Connection
) -> None:
    """A clock that is set back after the purge lets late events of that day in; they go when it is due again."""
    server = Server(database)
    server.now = YEAR_END - MICROSECOND
    await server.track()
    last_day, due = server.now.date(), YEAR_END + 90 * DAY
    for number, (now, is_kept) in enumerate(
        [(due - MINUTE, True), (due, False), (due - HOUR, True), (due - MINUTE, True), (due, False)]
    ):
        server.now = now
        if number == 2:
            await server.track(YEAR_END - MINUTE)
        assert "retention" in await server.tick()
        assert (last_day in await server.days()) is is_kept, number
        stored = 2 if number >= 2 else 1
        assert await count(sql, Timeframe.DAY) == {YEAR_END - DAY: stored}
        assert await count(sql, Timeframe.MONTH) == {datetime(2026, 12, 1, tzinfo=UTC): stored}
    assert await sql.fetchval("SELECT count(*) FROM analytics_events") == 0
