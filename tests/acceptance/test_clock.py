"""The real processes by a clock that is not the machine's: ends of hours, days, months and years, and 90 days."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from tests.acceptance.fake_clock import FakeClock, find_library
from tests.acceptance.running import Service
from tests.acceptance.samples import track
from tests.stored import stored_rows

LIBRARY = find_library()
EVERY_SECOND = "* * * * * *"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
HEAD_START = timedelta(seconds=3)
"""As long as the jobs take to start: they should see the clock strike. Where they come late, they catch up."""
WAIT_S = 30.0

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="no libfaketime here; where pip has none, name the library in LIBFAKETIME"
)


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    """A clock that can be put."""
    return FakeClock(tmp_path, str(LIBRARY))


@contextmanager
def jobs(clock: FakeClock, database_url: str, **environment: str) -> Iterator[None]:
    """Run `analytics jobs` by the clock."""
    variables = {
        **os.environ,
        "DATABASE_URL": database_url,
        **environment,
        **clock.environment,
    }
    process = subprocess.Popen([sys.executable, "-m", "cli", "jobs"], env=variables, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def runs_of(database_url: str, action: str, *, since: datetime, count: int = 1) -> list[datetime]:
    """Wait until a job has run so often since a moment, and tell when all of its runs began."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                rows = await connection.fetch(
                    "SELECT started_at FROM analytics_audit_log WHERE action = $1 AND outcome = 'done' ORDER BY id",
                    action,
                )
                started = [row["started_at"] for row in rows]
                if sum(moment >= since for moment in started) >= count:
                    return started
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def note_tick(database_url: str, job: str, moment: datetime) -> None:
    """Let a job have run at a moment."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO analytics_job_ticks VALUES ($1, $2, 'an earlier one')", job, moment)
    await connection.close()


async def count_days(database_url: str) -> dict[datetime, int]:
    """Count the raw events of each day."""
    days = Counter(
        row["timestamp"].replace(hour=0, minute=0, second=0, microsecond=0) for row in await stored_rows(database_url)
    )
    return dict(days)


async def count_summarised(database_url: str, timeframe: str) -> dict[datetime, int]:
    """Add up the summaries of each period."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT timestamp, sum(count)::bigint AS count FROM analytics_aggregations WHERE timeframe = $1 GROUP BY 1",
            timeframe,
        )
    finally:
        await connection.close()
    return {row["timestamp"]: row["count"] for row in rows}


@pytest.mark.parametrize(
    ("end", "due"),
    [
        pytest.param(datetime(2026, 3, 10, 13, tzinfo=UTC), "0 * * * *", id="hour"),
        pytest.param(datetime(2026, 3, 11, tzinfo=UTC), "0 0 * * *", id="day"),
        pytest.param(datetime(2027, 3, 1, tzinfo=UTC), "0 0 1 * *", id="month"),
        pytest.param(NEW_YEAR, "0 0 1 1 *", id="year"),
    ],
)
async def test_a_tick_comes_when_the_clock_strikes(
    clock: FakeClock, database_url: str, end: datetime, due: str
) -> None:
    """Once, and not before; by the process's own wall clock."""
    await note_tick(database_url, "retention", end - MINUTE)
    clock.put(end - HEAD_START)
    with jobs(clock, database_url, ANALYTICS_RETENTION_CRON=due):
        (started,) = await runs_of(database_url, "retention", since=end - MINUTE)
        assert end <= started < end + MINUTE


async def test_a_local_clock_that_is_set_back_is_no_matter(clock: FakeClock, database_url: str) -> None:
    """Jobs run by UTC, also in the hour that the machine's own zone has twice."""
    second_one = datetime(2026, 11, 1, 6, tzinfo=UTC)  # 01:00 in New York, for the second time
    await note_tick(database_url, "retention", second_one - HOUR)
    clock.put(second_one - HEAD_START)
    with jobs(clock, database_url, ANALYTICS_RETENTION_CRON="0 6 * * *", TZ="America/New_York"):
        (started,) = await runs_of(database_url, "retention", since=second_one - MINUTE)
    assert second_one <= started < second_one + MINUTE


async def test_a_clock_set_back_by_an_hour_stops_no_job(clock: FakeClock, database_url: str) -> None:
    """In the running process and in one that starts afterwards: what the later clock noted keeps neither waiting."""
    late = datetime(2026, 10, 25, 3, 0, 10, tzinfo=UTC)
    clock.put(late)
    with jobs(clock, database_url, ANALYTICS_RETENTION_CRON="0 * * * *"):
        await runs_of(database_url, "retention", since=late)
        clock.put(late - timedelta(hours=1))
        first, second = await runs_of(database_url, "retention", since=late - timedelta(hours=1), count=2)
        assert second < late <= first
    clock.put(late - timedelta(hours=2))
    with jobs(clock, database_url, ANALYTICS_RETENTION_CRON="0 * * * *"):
        *_, third = await runs_of(database_url, "retention", since=late - timedelta(hours=2), count=3)
        assert third < second


async def test_a_service_goes_through_a_new_year_and_keeps_raw_events_for_ninety_days(
    clock: FakeClock, database_url: str, data_dir: Path
) -> None:
    """Events fall on the right side of midnight, also when the clock is set back; a day goes to the minute."""
    clock.put(NEW_YEAR - 20 * MINUTE)
    with Service(
        data_dir,
        DATABASE_URL=database_url,
        ANALYTICS_RETENTION_CRON=EVERY_SECOND,
        **clock.environment,
    ) as service:
        service.stub.Track(track(), timeout=20)
        clock.put(NEW_YEAR + MINUTE)
        service.stub.Track(track(), timeout=20)
        service.stub.Track(track(), timeout=20)
        clock.put(NEW_YEAR - 59 * MINUTE)
        service.stub.Track(track(), timeout=20)
        assert await count_days(database_url) == {NEW_YEAR - DAY: 2, NEW_YEAR: 2}
        assert service.stub.GetDashboard(GetDashboardRequest(timeframe="24h"), timeout=20).events == 1
        due = NEW_YEAR + 90 * DAY
        clock.put(due - MINUTE)
        await runs_of(database_url, "retention", since=due - MINUTE, count=2)
        assert await count_days(database_url) == {NEW_YEAR - DAY: 2, NEW_YEAR: 2}
        clock.put(due)
        await runs_of(database_url, "retention", since=due)
        assert await count_days(database_url) == {NEW_YEAR: 2}
        assert await count_summarised(database_url, "day") == {NEW_YEAR - DAY: 2, NEW_YEAR: 2}
        assert await count_summarised(database_url, "month") == {datetime(2026, 12, 1, tzinfo=UTC): 2, NEW_YEAR: 2}
