"""What the jobs do by an injected clock: after an hour, at the ends of days, months and years, and set back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.open_segments import open_segments
from jobs.runner import Runner
from jobs.schedule import JOBS
from jobs.upkeep import Upkeep
from runtime.settings import Settings
from storage.postgres.database import Connection, Database
from storage.segments.plans import SEAL_LATEST
from storage.write.batch import WriteOutcome
from tests.rows import make_batch, make_row, make_store
from tests.stored import stored_rows

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SETTINGS = replace(Settings(), retention_cron="* * * * *")
YEAR_END = datetime(2027, 1, 1, tzinfo=UTC)
ENDS = [
    pytest.param(datetime(2026, 3, 11, tzinfo=UTC), id="day"),
    pytest.param(datetime(2028, 3, 1, tzinfo=UTC), id="month"),
    pytest.param(YEAR_END, id="year"),
]


class Server:
    """A server whose clock stands where it is put, and whose events happen now."""

    def __init__(self, database: Database) -> None:
        self.now = YEAR_END
        self.database = database
        self.store = make_store(database)
        self.segments = open_segments(database, SETTINGS)
        self._runner = Runner(database, SETTINGS, name="server", now=lambda: self.now)
        self._upkeep = Upkeep(database, self.segments, name="server", now=lambda: self.now)

    async def track(self, moment: datetime | None = None) -> None:
        """Store an event of this moment, or of another one."""
        row = make_row(timestamp=moment or self.now, received_at=self.now)
        assert await self.store.store(make_batch([row])) == [WriteOutcome.STORED]

    async def tick(self) -> list[str]:
        """Run what is due, and name it."""
        await self._upkeep.run_once()
        return [job.name for job in JOBS if await self._runner.run_if_due(job)]

    async def times(self) -> list[datetime]:
        """List the times of the stored events."""
        return [row["timestamp"] for row in await stored_rows(self.database.address.url)]


@pytest.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    """A server on a database of its own."""
    server = Server(database)
    yield server
    await server.store.close()


async def test_a_single_event_is_sealed_after_an_hour(server: Server, sql: Connection) -> None:
    """Not a microsecond before; a clock that was set back seals it later, and loses nothing."""
    await server.track()
    stored_at = await sql.fetchval("SELECT stored_at FROM analytics_blocks")
    for moment, is_sealed in (
        (stored_at + SEAL_LATEST - MICROSECOND, False),
        (stored_at - HOUR, False),
        (stored_at + SEAL_LATEST, True),
    ):
        server.now = moment
        await server.tick()
        assert len(await server.segments.catalogue.list_segments()) == is_sealed
        assert len(await server.times()) == 1


@pytest.mark.parametrize("end", ENDS)
async def test_events_of_both_sides_of_a_midnight_age_a_day_apart(server: Server, end: datetime) -> None:
    """Whether they lie in one block or in one segment."""
    before, after = end - MICROSECOND, end
    server.now = end
    for moment in (before, after):
        await server.track(moment)
    for now, left in (
        (end + 90 * DAY - MICROSECOND, [before, after]),
        (end + 90 * DAY, [after]),
        (end + 91 * DAY - MICROSECOND, [after]),
        (end + 91 * DAY, []),
    ):
        server.now = now
        await server.tick()
        assert await server.times() == left


async def test_raw_events_are_kept_for_ninety_days_to_the_minute_by_any_clock(server: Server) -> None:
    """A clock that is set back after the purge lets late events of that day in; they go when it is due again."""
    server.now = YEAR_END - MICROSECOND
    await server.track()
    due = YEAR_END + 90 * DAY
    for number, (now, is_kept) in enumerate(
        [(due - MINUTE, True), (due, False), (due - HOUR, True), (due - MINUTE, True), (due, False)]
    ):
        server.now = now
        if number == 2:
            await server.track(YEAR_END - MINUTE)
        assert await server.tick() == ["retention"]
        assert bool(await server.times()) is is_kept, number


async def test_a_job_is_due_once_a_tick(server: Server) -> None:
    """A minute later it is due again; what runs all the time is never due."""
    for _ in range(3):
        server.now += MINUTE
        assert await server.tick() == ["retention"]
        assert await server.tick() == []
