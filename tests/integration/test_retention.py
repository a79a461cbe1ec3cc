"""Retention: what is too old goes, and nothing else does."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.retention import RAW, RetentionPolicy, purge_aged, survey_aged
from storage.segments.errors import SegmentDamagedError
from storage.segments.store import SegmentStore
from storage.segments.upkeep import SegmentUpkeep
from storage.summaries.folding import SummaryKeeper
from storage.summaries.horizon import read_horizon
from tests.event_tables import KNOWN
from tests.integration.segment_stage import KilledError, killed_at
from tests.rows import NOON, make_batch, make_rejection, make_row, make_store
from tests.stored import stored_rows

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MIDNIGHT = NOON - timedelta(hours=12)
POLICY = RetentionPolicy(raw_days=90, hourly_days=365, daily_days=1826)
DUE = MIDNIGHT + DAY + 90 * DAY
"""When events of NOON go."""


@pytest.fixture
def segments(database: Database, tmp_path: Path) -> SegmentStore:
    """The segments of the database."""
    return SegmentStore(database, KNOWN, cache_folder=tmp_path, cache_bytes=0, summaries=SummaryKeeper(database))


async def store(database: Database, *rows: Any, rejections: Any = (), claimed_at: datetime = NOON) -> None:
    """Write rows as a batch."""
    store = make_store(database)
    try:
        await store.store(make_batch(rows, rejections, claimed_at=claimed_at))
    finally:
        await store.close()


async def stored_times(database: Database) -> list[datetime]:
    """List the times of the stored events."""
    return [row["timestamp"] for row in await stored_rows(database.address.url)]


async def count_by_day(sql: Connection) -> dict[str, int]:
    """Count what is left of days in the table for SQL."""
    rows = await sql.fetch(
        "SELECT timestamp, sum(count)::bigint AS count FROM analytics_aggregations WHERE timeframe = 'day' GROUP BY 1"
    )
    return {f"{row['timestamp']:%m-%d}": row["count"] for row in rows}


def rows_by_kind(aged: Any) -> dict[str, int]:
    """Name what went, where it was anything."""
    return {one.what: one.rows for one in aged if one.rows}


async def flip_byte(sql: Connection, segment_id: object) -> None:
    """Damage a segment; twice mends it."""
    await sql.execute(
        "UPDATE analytics_segment_parts_0 SET data = set_byte(data, 8, get_byte(data, 8) # 16) WHERE segment_id = $1",
        segment_id,
    )


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_events_go_when_all_of_their_day_is_ninety_days_old_to_the_minute(
    database: Database, segments: SegmentStore, sql: Connection, *, is_sealed: bool
) -> None:
    """A minute before they stay; younger events of the same segment or block stay anyway, and the sums of all do."""
    days = [NOON, MIDNIGHT + DAY - timedelta(microseconds=1), MIDNIGHT + DAY, NOON + 20 * DAY]
    await store(database, *(make_row(timestamp=day) for day in days))
    if is_sealed:
        await SegmentUpkeep(segments).seal_all()
    assert RAW not in rows_by_kind(await purge_aged(database, segments, POLICY, DUE - MINUTE))
    aged = await purge_aged(database, segments, POLICY, DUE)
    assert rows_by_kind(aged)[RAW] == 2
    assert await stored_times(database) == days[2:]
    assert RAW not in rows_by_kind(await purge_aged(database, segments, POLICY, DUE))
    assert await count_by_day(sql) == {"03-10": 2, "03-11": 1, "03-30": 1}
    assert rows_by_kind(await purge_aged(database, segments, POLICY, DUE + 30 * DAY))[RAW] == 2
    assert await segments.catalogue.list_segments() == []
    assert await count_by_day(sql) == {"03-10": 2, "03-11": 1, "03-30": 1}


async def test_the_horizon_moves_only_when_something_goes(
    database: Database, segments: SegmentStore, sql: Connection
) -> None:
    """Each of its times by itself: a database from which nothing was deleted knows everything, however long ago."""
    fresh = await read_horizon(sql)
    await purge_aged(database, segments, POLICY, NOON)
    await store(database, make_row())
    await purge_aged(database, segments, POLICY, DUE - MINUTE)
    assert await read_horizon(sql) == fresh
    await purge_aged(database, segments, POLICY, DUE)
    gone = replace(fresh, raw_from=MIDNIGHT + DAY, folds=1)
    assert await read_horizon(sql) == gone
    await purge_aged(database, segments, POLICY, DUE + 30 * DAY)
    assert await read_horizon(sql) == gone
    for days in (366, 500):
        await purge_aged(database, segments, POLICY, MIDNIGHT + days * DAY)
        gone = replace(gone, hours_from=MIDNIGHT + DAY)
        assert await read_horizon(sql) == gone
    await purge_aged(database, segments, POLICY, MIDNIGHT + 2000 * DAY)
    assert await read_horizon(sql) == replace(gone, days_from=MIDNIGHT + (2000 - 1826) * DAY)


async def test_a_dry_run_tells_what_goes_and_leaves_it(
    database: Database, segments: SegmentStore, sql: Connection
) -> None:
    """In rows and bytes, of every kind; the run itself then finds the same."""
    old = NOON - 100 * DAY
    await store(
        database,
        make_row(timestamp=old, received_at=old),
        make_row(timestamp=NOON, received_at=old),
        rejections=[make_rejection(received_at=old)],
        claimed_at=old,
    )
    await store(database, make_row(timestamp=old, received_at=old), claimed_at=old)
    await store(database, make_row(received_at=NOON))
    for block in await segments.catalogue.list_blocks():
        await segments.keeper.seal([block])
    policy = RetentionPolicy(raw_days=30, hourly_days=60, daily_days=90)
    surveyed = await survey_aged(database, segments, policy, NOON)
    kinds = rows_by_kind(surveyed)
    assert {name: kinds[name] for name in (RAW, "event keys", "quarantine", "ingest ledger")} == {
        RAW: 2,
        "event keys": 3,
        "quarantine": 1,
        "ingest ledger": 2,
    }
    assert all(one.bytes > 0 for one in surveyed if one.rows)
    assert rows_by_kind(await survey_aged(database, segments, policy, NOON)) == kinds
    done = rows_by_kind(await purge_aged(database, segments, policy, NOON))
    assert {name: done[name] for name in kinds} == kinds
    again = rows_by_kind(await purge_aged(database, segments, policy, NOON))
    assert not {RAW, "event keys", "quarantine", "ingest ledger"} & again.keys()
    assert await stored_times(database) == [NOON, NOON]
    for table, rows in (("event_keys", 1), ("rejected_events", 0)):
        assert await sql.fetchval(f"SELECT count(*) FROM analytics_{table}") == rows


async def test_what_was_ever_received_stays_countable(
    database: Database, segments: SegmentStore, sql: Connection
) -> None:
    """Old hours of the ingest ledger become months; a second run adds to them."""
    totals = "SELECT sum(stored)::bigint, sum(rejected)::bigint FROM analytics_ingest_ledger"
    old = datetime(2025, 10, 5, 7, tzinfo=UTC)
    for received_at in (old, old + timedelta(hours=3), old + 9 * DAY):
        row, rejection = make_row(received_at=received_at), make_rejection(received_at=received_at)
        await store(database, row, rejections=[rejection])
        await purge_aged(database, segments, POLICY, NOON)
        assert await sql.fetchval("SELECT count(*) FROM analytics_ingest_ledger") == 1
    assert await sql.fetchval("SELECT hour FROM analytics_ingest_ledger") == datetime(2025, 10, 1, tzinfo=UTC)
    assert tuple(await sql.fetchrow(totals) or ()) == (3, 3)


async def test_zero_days_keep_everything(database: Database, segments: SegmentStore) -> None:
    """And sums are kept as long as what they are made of, whatever the settings say."""
    await store(database, make_row(timestamp=NOON - 9000 * DAY))
    for policy in (RetentionPolicy(0, 0, 0), RetentionPolicy(0, 1, 1)):
        assert rows_by_kind(await survey_aged(database, segments, policy, NOON)) == {}
        assert rows_by_kind(await purge_aged(database, segments, policy, NOON)) == {}
    policy = RetentionPolicy(raw_days=90, hourly_days=1, daily_days=1)
    assert policy.raw_before(NOON) == policy.hours_before(NOON) == policy.days_before(NOON)
    assert RetentionPolicy(90, 0, 1).days_before(NOON) is None


async def test_a_damaged_segment_is_named_and_keeps_no_other_from_ageing(
    database: Database, segments: SegmentStore, sql: Connection
) -> None:
    """It stays, with its keys; where a backup has mended it, the next run goes on."""
    await store(database, make_row(), make_row(timestamp=NOON + 20 * DAY))
    await SegmentUpkeep(segments).seal_all()
    await store(database, make_row())
    await SegmentUpkeep(segments).seal_all()
    damaged = next(one for one in await segments.catalogue.list_segments() if one.rows == 2)
    await flip_byte(sql, damaged.id)
    for _ in range(2):
        with pytest.raises(SegmentDamagedError, match=str(damaged.id)):
            await purge_aged(database, segments, POLICY, DUE)
        assert [one.id for one in await segments.catalogue.list_segments()] == [damaged.id]
    assert await sql.fetchval("SELECT count(*) FROM analytics_event_keys") == 3
    await flip_byte(sql, damaged.id)
    assert rows_by_kind(await purge_aged(database, segments, POLICY, DUE))[RAW] == 1
    assert await stored_times(database) == [NOON + 20 * DAY]


@pytest.mark.slow
@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_run_that_is_killed_at_any_statement_is_finished_by_the_next(
    database: Database, segments: SegmentStore, sql: Connection, *, is_sent: bool
) -> None:
    """Old events go and young ones stay, whichever statement was the last; all of them are summed up once."""
    for statement in itertools.count(1):
        await store(database, make_row(), make_row(timestamp=NOON + 20 * DAY), make_row(timestamp=NOON + DAY))
        await store(database, make_row())
        for block in await segments.catalogue.list_blocks():
            await segments.keeper.seal([block])
        with killed_at(statement, is_sent=is_sent) as is_killed:
            try:
                await purge_aged(database, segments, POLICY, DUE)
            except (KilledError, StorageUnavailableError, asyncpg.InterfaceError):
                assert is_killed()
        await purge_aged(database, segments, POLICY, DUE)
        assert await stored_times(database) == [NOON + DAY, NOON + 20 * DAY]
        assert await count_by_day(sql) == {"03-10": 2, "03-11": 1, "03-30": 1}
        await sql.execute(
            "TRUNCATE analytics_segments, analytics_segment_parts_0, analytics_event_keys, analytics_summaries, "
            "analytics_aggregations, analytics_first_sights, analytics_new_actors"
        )
        if not is_killed():
            break
    assert statement > 15
