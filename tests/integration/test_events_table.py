"""The table `analytics_events`: which events it has, days that come and go, and what does not stop the copying."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from storage.events_table import copying, days
from storage.events_table.days import prepare_days
from storage.events_table.lag import read_copy_lag
from storage.postgres.database import Connection, Database
from storage.postgres.errors import LeaseTakenError
from storage.segments.errors import SegmentDamagedError
from tests.integration.events_table_stage import (
    ENOUGH_S,
    TableServer,
    count_rows,
    days_from,
    read_table,
    table_days,
    window_of,
    within,
)
from tests.integration.segment_stage import use_small_sizes
from tests.rows import NOON, make_row

DAY = timedelta(days=1)
WEEK = 7


@pytest.fixture
async def server(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TableServer]:
    """A server with small segments, which copies in small chunks."""
    use_small_sizes(monkeypatch)
    monkeypatch.setattr(copying, "CHUNK_ROWS", 4)
    monkeypatch.setattr(copying, "MERGE_WAIT", timedelta(0))
    made = TableServer(database, tmp_path / "cache")
    yield made
    await made.store.close()


async def test_sealed_events_are_in_the_table_with_every_column(server: TableServer, sql: Connection) -> None:
    """Once each, and a second run has nothing to do."""
    device = '{"model":"Pixel 8","os":"Android 14"}'
    rich = make_row(
        user_id=None,
        device=device,
        user_agent="Mozilla/5.0",
        ip_address="hash",
        timestamp_source="missing",
        event_data='{"contentId":"post-1","metadata":{"b":[1,2.5],"a":"\\u00e9"}}',
    )
    bare = make_row(user_id=None, session_id=None, platform=None, event_type="poke", event_data="{}")
    rows = [rich, bare, *await server.fill(30)]
    await server.write([rich, bare])
    await server.seal()
    copied = await server.copy(window_of(WEEK))
    wanted = within(rows, window_of(WEEK).first)
    assert await read_table(sql) == count_rows(wanted)
    assert (copied.counted, copied.stored, copied.refused) == (len(rows), len(wanted), 0)
    assert 0 < len(wanted) < len(rows), "no event was old"
    assert (await server.copy(window_of(WEEK))).counted == 0
    assert all(segment.is_copied for segment in await server.catalogue.list_segments())


async def test_the_table_is_behind_by_what_waits(server: TableServer, sql: Connection) -> None:
    """Blocks and segments count, by the oldest event; a merge does not make it younger."""
    await server.copy(window_of(60))
    assert (await read_copy_lag(server.database)).rows == 0
    await server.write([make_row()])
    await sql.execute("UPDATE analytics_blocks SET stored_at = now() - interval '100 s'")
    waiting = await read_copy_lag(server.database)
    assert waiting.rows == 1
    assert 100 <= waiting.seconds < 160
    await server.seal()
    for _ in range(2):
        await server.fill(6)
    await server.merge()
    assert len(await server.catalogue.list_segments()) == 1
    waiting = await read_copy_lag(server.database)
    assert waiting.rows == 13
    assert 100 <= waiting.seconds < 160
    await server.copy(window_of(60))
    assert await read_copy_lag(server.database) == type(waiting)(0, 0.0)


async def test_days_are_made_ahead_and_dropped_whole(server: TableServer, sql: Connection) -> None:
    """A day goes when it is older than the window, and a day more."""
    rows = await server.fill(30)
    await server.copy(window_of(WEEK))
    assert await table_days(sql) == days_from(NOON.date() - WEEK * DAY, NOON.date() + DAY)
    later = NOON + (WEEK + 1) * DAY
    copied = await server.copy(window_of(WEEK, later))
    assert (copied.dropped_days, copied.is_filled_anew) == (WEEK, False)
    assert await table_days(sql) == days_from(NOON.date(), later.date() + DAY)
    assert await read_table(sql) == count_rows(within(rows, NOON.date()))


async def test_a_clock_that_differs_at_midnight_changes_nothing(server: TableServer, sql: Connection) -> None:
    """One server thinks it is tomorrow, the other that it is today."""
    rows = await server.fill(30)
    for now in (NOON, NOON + DAY, NOON, NOON + DAY, NOON):
        assert not (await server.copy(window_of(WEEK, now))).is_filled_anew or now == NOON
        assert await read_table(sql) == count_rows(within(rows, window_of(WEEK).first))


async def test_a_wider_window_fills_the_table_anew(server: TableServer, sql: Connection) -> None:
    """From segments, which have what the table had not."""
    rows = await server.fill(30)
    await server.copy(window_of(1))
    assert await read_table(sql) == count_rows(within(rows, window_of(1).first))
    copied = await server.copy(window_of(60))
    assert copied.is_filled_anew
    assert await read_table(sql) == count_rows(rows)


async def test_switched_off_it_is_empty_and_switched_on_later_it_is_filled(
    server: TableServer, sql: Connection
) -> None:
    """Nothing waits while it is off."""
    rows = await server.fill(30)
    await server.copy(window_of(WEEK))
    rows += await server.fill(6, seed=2)
    await server.copy(None)
    assert await table_days(sql) == []
    assert (await read_copy_lag(server.database)).rows == 0
    assert all(segment.is_copied for segment in await server.catalogue.list_segments())
    copied = await server.copy(window_of(WEEK))
    assert copied.is_filled_anew
    assert await read_table(sql) == count_rows(within(rows, window_of(WEEK).first))


async def test_a_day_that_was_dropped_by_hand_is_filled_anew(server: TableServer, sql: Connection) -> None:
    """With the whole table, since nobody knows which segments had its rows."""
    rows = await server.fill(30)
    await server.copy(window_of(WEEK))
    await sql.execute(f"DROP TABLE {days.partition_name(NOON.date())}")
    assert (await server.copy(window_of(WEEK))).is_filled_anew
    assert await read_table(sql) == count_rows(within(rows, window_of(WEEK).first))


async def test_a_reader_does_not_stop_the_copying(server: TableServer, sql: Connection) -> None:
    """Whoever reads the table for long keeps old days from being dropped, and nobody else waits."""
    rows = await server.fill(12)
    await server.copy(window_of(WEEK))
    before = count_rows(within(rows, NOON.date()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "READERS_S", 0.2)
        async with sql.transaction():
            await sql.fetch("SELECT * FROM analytics_events")
            await server.fill(6, seed=2)
            later = window_of(WEEK, NOON + (WEEK + 1) * DAY)
            copied = await server.copy(later)
            assert (copied.counted, copied.dropped_days) == (6, 0)
            other = await asyncpg.connect(server.database.address.url)
            try:
                young = "SELECT count(*) FROM analytics_events WHERE timestamp >= $1"
                midnight = NOON.replace(hour=0)
                assert await other.fetchval(young, midnight, timeout=ENOUGH_S) == sum(before.values())
            finally:
                await other.close()
    assert (await server.copy(later)).dropped_days == WEEK
    assert await read_table(sql) == before


async def test_filling_anew_waits_for_no_reader(server: TableServer, sql: Connection) -> None:
    """It is tried again by the next run."""
    rows = await server.fill(12)
    await server.copy(window_of(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "LOCK_WAIT", "50ms")
        async with sql.transaction():
            await sql.fetch("SELECT * FROM analytics_events")
            with pytest.raises(LeaseTakenError, match="somebody is reading it"):
                await server.copy(window_of(60))
    await server.copy(window_of(60))
    assert await read_table(sql) == count_rows(rows)


async def test_a_row_that_jsonb_refuses_stops_no_other(server: TableServer, sql: Connection) -> None:
    """It is counted, and named in the log; a report still has it."""
    refused = make_row(event_data='{"contentId":"post-1","metadata":{"big":1e999999}}')
    rows = await server.fill(12)
    await server.write([refused])
    await server.seal()
    copied = await server.copy(window_of(60))
    assert copied.refused == 1
    assert await read_table(sql) == count_rows(rows)
    assert all(segment.is_copied for segment in await server.catalogue.list_segments())


async def test_a_damaged_segment_stops_no_other(server: TableServer, sql: Connection) -> None:
    """It is named, and waits; all others are copied."""
    await server.fill(12)
    damaged = (await server.catalogue.list_segments())[0]
    rows = await server.fill(12, seed=2)
    await sql.execute(
        "UPDATE analytics_segments SET sums = '\\x00000000' || substring(sums FROM 5) WHERE id = $1", damaged.id
    )
    with pytest.raises(SegmentDamagedError, match=str(damaged.id)):
        await server.copy(window_of(60))
    assert not count_rows(rows) - await read_table(sql)
    left = [segment for segment in await server.catalogue.list_segments() if not segment.is_copied]
    assert [segment.id for segment in left] == [damaged.id]


async def test_an_event_of_a_fast_clock_gets_its_day(server: TableServer, sql: Connection) -> None:
    """Its day is made when it is needed."""
    ahead = make_row(timestamp=NOON + 5 * DAY)
    await server.write([ahead])
    await server.seal()
    await server.copy(window_of(WEEK))
    assert await read_table(sql) == count_rows([ahead])
    assert (await table_days(sql))[-1] == NOON.date() + 5 * DAY


async def test_segments_that_are_merged_next_are_left_to_the_merge(
    server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while: where no merge comes they are copied all the same."""
    for _ in range(3):
        await server.write([make_row()])
        await server.seal()
    monkeypatch.setattr(copying, "MERGE_WAIT", timedelta(hours=1))
    assert (await server.copy(window_of(WEEK))).counted == 0
    assert await server.merge()
    assert (await server.copy(window_of(WEEK))).counted == 3
    for _ in range(3):
        await server.write([make_row()])
        await server.seal()
    monkeypatch.setattr(copying, "MERGE_WAIT", timedelta(0))
    assert (await server.copy(window_of(WEEK))).counted == 3


async def test_two_servers_make_each_day_once(database: Database, sql: Connection) -> None:
    """Whoever comes second finds it."""
    others = [await database.connect_writer() for _ in range(3)]
    try:
        await asyncio.gather(*(prepare_days(other, window_of(WEEK)) for other in others))
    finally:
        for other in others:
            other.terminate()
    assert await table_days(sql) == days_from(NOON.date() - WEEK * DAY, NOON.date() + DAY)
