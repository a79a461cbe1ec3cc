"""The planner's statistics: renewed where a bulk load has made them mislead, and nowhere else."""

from datetime import date, datetime, timedelta

import pytest

from jobs.request import JobRequest, Outcome
from jobs.runner import Runner
from jobs.schedule import JOBS
from runtime.settings import Settings
from storage.partitions import ANALYZE_LEAST_ROWS, ANALYZE_SHARE, Partitions, analyze_grown, partition_name
from storage.postgres.database import Connection, Database
from storage.retention import drop_day
from storage.write.batch import COLUMNS
from tests.rows import NOON, make_row

DAY = timedelta(days=1)
GROWN, UNTOUCHED = NOON, NOON + DAY


@pytest.fixture
async def days(database: Database, sql: Connection) -> None:
    """Two days that nobody else analyzes, with a row each."""
    await Partitions(database).ensure([GROWN.date(), UNTOUCHED.date()])
    for day in (GROWN, UNTOUCHED):
        await sql.execute(f"ALTER TABLE {partition_name(day.date())} SET (autovacuum_enabled = off)")
        await load(sql, day, 1)


async def load(sql: Connection, moment: datetime, rows: int) -> None:
    """Load rows in bulk, and let Postgres count them at once."""
    row = make_row(timestamp=moment)
    await sql.copy_records_to_table("analytics_events", records=[row] * rows, columns=COLUMNS)
    await sql.execute("SELECT pg_stat_force_next_flush()")


async def analyzed(sql: Connection) -> dict[date, int]:
    """Tell how often each day with statistics was analyzed, and see that it has one of every column's."""
    rows = await sql.fetch(
        "SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day, analyze_count, "
        "(SELECT count(*) FROM pg_stats WHERE tablename = relname) AS columns "
        "FROM pg_stat_user_tables WHERE relname ~ '^analytics_events_'"
    )
    assert {row["columns"] for row in rows} <= {0, len(COLUMNS)}
    assert all((row["columns"] > 0) == (row["analyze_count"] > 0) for row in rows)
    return {row["day"]: row["analyze_count"] for row in rows if row["analyze_count"]}


async def run_job(database: Database, name: str) -> Outcome:
    """Run a job of the schedule as its tick does."""
    (job,) = (job for job in JOBS if job.name == name)
    outcome = await Runner(database, Settings(), name="test").run_now(
        job, JobRequest(database=database, settings=Settings(), now=NOON)
    )
    assert outcome is not None
    return outcome


@pytest.mark.usefixtures("days")
async def test_what_a_bulk_load_has_grown_is_analyzed_once(database: Database, sql: Connection) -> None:
    """From one row more than ANALYZE_LEAST_ROWS on; other days keep the statistics they have, or have none."""
    await load(sql, GROWN, ANALYZE_LEAST_ROWS - 1)
    assert await analyze_grown(database) == 0
    assert await analyzed(sql) == {}
    await load(sql, GROWN, 1)
    assert await analyze_grown(database) == 1
    assert await analyzed(sql) == {GROWN.date(): 1}
    assert await sql.fetchval("SELECT reltuples FROM pg_class WHERE relname = $1", partition_name(GROWN.date())) == (
        ANALYZE_LEAST_ROWS + 1
    )
    assert await analyze_grown(database) == 0
    await load(sql, GROWN, ANALYZE_LEAST_ROWS)
    assert await analyze_grown(database) == 0
    assert await analyzed(sql) == {GROWN.date(): 1}


@pytest.mark.usefixtures("days")
async def test_a_large_day_is_analyzed_when_a_fifth_of_it_is_new(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some thousand rows do not change what the planner should know of millions."""
    monkeypatch.setattr("storage.partitions.ANALYZE_LEAST_ROWS", 10)
    await load(sql, GROWN, 999)
    assert await analyze_grown(database) == 1
    new = round(1000 * ANALYZE_SHARE / (1 - ANALYZE_SHARE))
    await load(sql, GROWN, new)
    assert await analyze_grown(database) == 0
    await load(sql, GROWN, 10)
    assert await analyze_grown(database) == 1
    assert await analyzed(sql) == {GROWN.date(): 2}


@pytest.mark.usefixtures("days")
@pytest.mark.parametrize("name", ["aggregate", "partitions"])
async def test_the_jobs_analyze_what_has_grown(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """So an import is followed by statistics within the hour; the audit log records for how many days."""
    monkeypatch.setattr("storage.partitions.ANALYZE_LEAST_ROWS", 10)
    await load(sql, GROWN, 20)
    assert (await run_job(database, name)).details["partitions_analyzed"] == 1
    assert (await run_job(database, name)).details["partitions_analyzed"] == 0
    assert await analyzed(sql) == {GROWN.date(): 1}


@pytest.mark.usefixtures("days")
async def test_days_that_are_going_are_left_alone(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day that is closed or detached is dropped in a moment."""
    monkeypatch.setattr("storage.partitions.ANALYZE_LEAST_ROWS", 10)
    await load(sql, GROWN, 20)
    await sql.execute("INSERT INTO analytics_closed_days VALUES ($1, $2)", GROWN.date(), NOON)
    assert await analyze_grown(database) == 0
    await drop_day(database, GROWN.date(), NOON)
    assert await analyze_grown(database) == 0
    assert await analyzed(sql) == {}
