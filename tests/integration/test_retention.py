"""Retention: what is too old goes, nothing else does, and sums stay."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from storage.partitions import Partitions, read_partitions
from storage.postgres.database import Connection, Database
from storage.postgres.errors import DayClosedError
from storage.retention import Aged, RetentionPolicy, drop_day, purge_aged, survey_aged
from storage.rollups import close_day, fold, verify
from tests.rows import NOON, make_batch, make_rejection, make_row, make_store

DAY = timedelta(days=1)
MIDNIGHT = NOON - timedelta(hours=12)
POLICY = RetentionPolicy(raw_days=90, hourly_days=365, daily_days=1826)


async def store(database: Database, *rows: Any, rejections: Any = (), claimed_at: datetime = NOON) -> None:
    """Write rows as a batch."""
    store = make_store(database)
    try:
        await store.store(make_batch(rows, rejections, claimed_at=claimed_at))
    finally:
        await store.close()


async def count_by_day(sql: Connection) -> dict[str, int]:
    """Count what the day rollups hold."""
    rows = await sql.fetch(
        "SELECT timestamp, sum(count)::bigint AS count FROM analytics_aggregations WHERE timeframe = 'day' GROUP BY 1"
    )
    return {f"{row['timestamp']:%m-%d}": row["count"] for row in rows}


def rows_by_kind(aged: Any) -> dict[str, int]:
    """Name what went, where it was anything."""
    return {one.what: one.rows for one in aged if one.rows}


async def test_a_day_goes_when_all_of_it_is_ninety_days_old_to_the_minute(database: Database, sql: Connection) -> None:
    """A minute before it stays; unfolded events are folded first, and the day's sums stay."""
    await store(database, make_row(), make_row(timestamp=NOON + DAY))
    due = MIDNIGHT + DAY + 90 * DAY
    assert rows_by_kind(await purge_aged(database, POLICY, due - timedelta(minutes=1))) == {}
    assert rows_by_kind(await survey_aged(database, POLICY, due))["raw events"] == 1
    aged = await purge_aged(database, POLICY, due)
    assert rows_by_kind(aged)["raw events"] == 1
    assert next(one for one in aged if one.what == "raw events").bytes > 8192
    assert [partition.day for partition in await read_partitions(database)] == [(NOON + DAY).date()]
    assert await sql.fetchval("SELECT count(*) FROM analytics_closed_days") == 0
    await fold(database)
    assert await count_by_day(sql) == {"03-10": 1, "03-11": 1}


async def test_a_dry_run_tells_what_goes_and_leaves_it(database: Database, sql: Connection) -> None:
    """In rows and bytes, of every kind; the run itself then finds the same."""
    old = NOON - 100 * DAY
    await store(
        database, make_row(timestamp=old, received_at=old), rejections=[make_rejection(received_at=old)], claimed_at=old
    )
    await store(database, make_row(received_at=NOON))
    await fold(database)
    policy = RetentionPolicy(raw_days=30, hourly_days=60, daily_days=90)
    surveyed = await survey_aged(database, policy, NOON)
    assert rows_by_kind(surveyed) == {
        "raw events": 1,
        "hour rollups": 1,
        "day rollups": 1,
        "event keys": 1,
        "quarantine": 1,
        "ingest ledger": 1,
    }
    assert all(one.bytes > 0 for one in surveyed)
    assert rows_by_kind(await survey_aged(database, policy, NOON)) == rows_by_kind(surveyed)
    assert rows_by_kind(await purge_aged(database, policy, NOON)) == rows_by_kind(surveyed)
    assert rows_by_kind(await purge_aged(database, policy, NOON)) == {}
    for table, rows in (("events", 1), ("event_keys", 1), ("rejected_events", 0)):
        assert await sql.fetchval(f"SELECT count(*) FROM analytics_{table}") == rows
    month = "SELECT count FROM analytics_aggregations WHERE timeframe = 'month' AND frozen"
    assert await sql.fetchval(month) == 1
    assert (await verify(database, old - DAY, NOON + DAY)).differences == []


async def test_what_was_ever_received_stays_countable(database: Database, sql: Connection) -> None:
    """Old hours of the ingest ledger become months; a second run adds to them."""
    totals = "SELECT sum(stored)::bigint, sum(rejected)::bigint FROM analytics_ingest_ledger"
    old = datetime(2025, 10, 5, 7, tzinfo=UTC)
    for received_at in (old, old + timedelta(hours=3), old + 9 * DAY):
        row, rejection = make_row(received_at=received_at), make_rejection(received_at=received_at)
        await store(database, row, rejections=[rejection])
        await purge_aged(database, POLICY, NOON)
        assert await sql.fetchval("SELECT count(*) FROM analytics_ingest_ledger") == 1
    assert await sql.fetchval("SELECT hour FROM analytics_ingest_ledger") == datetime(2025, 10, 1, tzinfo=UTC)
    assert tuple(await sql.fetchrow(totals) or ()) == (3, 3)


async def test_zero_days_keep_everything(database: Database) -> None:
    """And sums are kept as long as what they are made of, whatever the settings say."""
    await store(database, make_row(timestamp=NOON - 9000 * DAY))
    await fold(database)
    for policy in (RetentionPolicy(0, 0, 0), RetentionPolicy(0, 1, 1)):
        assert rows_by_kind(await survey_aged(database, policy, NOON)) == {}
        assert rows_by_kind(await purge_aged(database, policy, NOON)) == {}
    policy = RetentionPolicy(raw_days=90, hourly_days=1, daily_days=1)
    assert policy.raw_before(NOON) == policy.hours_before(NOON) == policy.days_before(NOON)
    assert RetentionPolicy(90, 0, 1).days_before(NOON) is None


async def test_a_drop_goes_on_wherever_it_was_cut_off(database: Database, sql: Connection) -> None:
    """Closed, detached, and detached half-way: each is finished, and nothing is counted twice."""
    days = [NOON + number * DAY for number in range(3)]
    await store(database, *(make_row(timestamp=day) for day in days))
    for day in days:
        await close_day(database, day.date(), NOON)
    await sql.execute("ALTER TABLE analytics_events DETACH PARTITION analytics_events_20260311 CONCURRENTLY")
    reader = await asyncpg.connect(database.address.url)
    await reader.execute("BEGIN")
    await reader.fetch("SELECT count(*) FROM analytics_events")
    await sql.execute("SET statement_timeout = '300ms'")
    with pytest.raises(asyncpg.QueryCanceledError):
        await sql.execute("ALTER TABLE analytics_events DETACH PARTITION analytics_events_20260312 CONCURRENTLY")
    await reader.close()
    states = {str(one.day): one.state for one in await read_partitions(database)}
    assert states == {"2026-03-10": "closed", "2026-03-11": "detached", "2026-03-12": "detaching"}
    assert rows_by_kind(await purge_aged(database, POLICY, NOON + 200 * DAY))["raw events"] == 3
    assert await read_partitions(database) == []
    assert await count_by_day(sql) == {"03-10": 1, "03-11": 1, "03-12": 1}


async def test_writers_and_long_reports_go_on_while_a_day_is_dropped(database: Database, sql: Connection) -> None:
    """Detaching waits for the report, and nobody waits for the detaching, not even who needs a new day.

    The day itself is refused until it is gone, and takes late events again afterwards.
    """
    await store(database, make_row(), make_row(timestamp=NOON + DAY))
    reader = await asyncpg.connect(database.address.url)
    await reader.execute("BEGIN")
    await reader.fetch("SELECT count(*) FROM analytics_events")
    dropping = asyncio.create_task(drop_day(database, NOON.date(), NOON))
    while (await read_partitions(database))[0].state != "detaching":
        await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        await store(database, make_row(timestamp=NOON + DAY))
        await store(database, make_row(timestamp=NOON + 2 * DAY))
        assert await Partitions(database).ensure([(NOON + 3 * DAY).date()]) == 1
    with pytest.raises(DayClosedError):
        await store(database, make_row())
    assert not dropping.done()
    await reader.close()
    assert await dropping == Aged("raw events", 1, (await dropping).bytes)
    await store(database, make_row())
    await fold(database)
    assert await count_by_day(sql) == {"03-10": 2, "03-11": 2, "03-12": 1}
    assert (await verify(database, MIDNIGHT, MIDNIGHT + 3 * DAY)).differences == []
    assert (await drop_day(database, NOON.date(), NOON)).rows == 1


async def test_a_day_that_is_being_written_to_is_closed_afterwards(database: Database) -> None:
    """The writer's events are folded before the day is frozen."""
    await store(database, make_row())
    writer = await asyncpg.connect(database.address.url)
    await writer.execute("BEGIN")
    await writer.execute(
        "INSERT INTO analytics_events SELECT gen_random_uuid(), timestamp, received_at, sequence, event_type, "
        "schema_version, timestamp_source, actor_id, user_id, session_id, platform, user_agent, ip_address, device, "
        "event_data FROM analytics_events"
    )
    await writer.execute(
        "INSERT INTO analytics_aggregation_deltas (hour, event_type, count) VALUES ($1, 'view', 1)", NOON
    )
    dropping = asyncio.create_task(drop_day(database, NOON.date(), NOON))
    await asyncio.sleep(0.3)
    assert not dropping.done()
    await writer.execute("COMMIT")
    await writer.close()
    assert (await dropping).rows == 2
    assert (await verify(database, MIDNIGHT, MIDNIGHT + DAY)).differences == []
