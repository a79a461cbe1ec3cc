"""Snapshots: what a report reads of blocks and segments, for how long, and what happens meanwhile."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from reports.events import read_ahead as event_pages
from reports.events.page import EventCursor, EventFilter, EventRecord, PageQuestion
from reports.events.read_ahead import EventPages
from storage.postgres.database import Database, PooledConnection
from storage.postgres.errors import StorageTimeoutError, StorageUnavailableError
from storage.segments import block_memory, scopes
from storage.segments import snapshot as snapshot_module
from storage.segments.scopes import SORTED_BY, EventScope
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import rows_of_table
from storage.write.batch import COLUMNS, TIMESTAMP
from tests.event_tables import KNOWN
from tests.integration.segment_stage import Row, Server, count, make_rows, use_small_sizes
from tests.rows import ACTORS, NOON, make_batch

AT_ONCE = timedelta(0)
BUSY = "anonymous-hero"
"""The actor of a third of all events."""
START, END = NOON - timedelta(days=2), NOON + timedelta(seconds=1)
EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
USER, ACTOR = COLUMNS.index("user_id"), COLUMNS.index("actor_id")


@pytest.fixture
async def server(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server with small segments."""
    use_small_sizes(monkeypatch)
    made = Server(database, tmp_path / "cache")
    yield made
    await made.store.close()


def make_events(number: int, seed: int) -> list[Row]:
    """Make rows of many actors, of whom one has a third."""
    rng = random.Random(seed)  # noqa: S311 - the same rows in each run
    rows = [list(row) for row in make_rows(number, rng)]
    for row in rng.sample(rows, number // 3):
        row[USER] = row[ACTOR] = BUSY
    return [tuple(row) for row in rows]


async def fill(server: Server) -> list[Row]:
    """Store events in segments of two levels and in blocks; return them."""
    rows = make_events(120, 3)
    for start in range(0, 90, 6):
        await server.store.store(make_batch(rows[start : start + 6]))
    while await server.seal():
        pass
    assert await server.merge()
    for start in range(90, 120, 6):
        await server.store.store(make_batch(rows[start : start + 6]))
    return rows


def rows_in(tables: Any) -> list[Row]:
    """Turn tables into rows."""
    return [row for table in tables for row in rows_of_table(table, KNOWN)]


def is_sorted(table: Any) -> bool:
    """Tell whether a table has the order that all have."""
    keys = list(zip(*(table[name].to_pylist() for name in SORTED_BY), strict=True))
    return keys == sorted(keys)


async def test_a_scope_holds_each_of_its_events_once(server: Server) -> None:
    """Of its times and actors, and none beside them; every table is sorted."""
    rows = await fill(server)
    actor = ACTORS.of(BUSY)
    async with server.reader.snapshot(30) as snapshot:
        assert len(snapshot.segments) > 2
        assert len(snapshot.blocks) == 5
        for scope in (
            EventScope(),
            EventScope(START, END),
            EventScope(START, END, actor, actor),
            EventScope(high_actor=0),
        ):
            tables = await snapshot.tables(scope)
            assert all(is_sorted(table) and len(table) for table in tables)
            assert count(rows_in(tables)) == count([row for row in rows if is_within(scope, row)])


def is_within(scope: EventScope, row: Row) -> bool:
    """Tell whether a row is in a scope."""
    actor = ACTORS.of(row[ACTOR])
    return (
        (scope.start is None or scope.start <= row[TIMESTAMP])
        and (scope.end is None or row[TIMESTAMP] < scope.end)
        and (scope.low_actor is None or scope.low_actor <= actor)
        and (scope.high_actor is None or actor <= scope.high_actor)
    )


@pytest.mark.parametrize("kept", [0, 1_000])
@pytest.mark.parametrize("scope", [EventScope(), EventScope(START, END), EventScope(low_actor=-(2**61))], ids=repr)
async def test_actors_come_whole_and_in_tables_of_bounded_size(
    server: Server, monkeypatch: pytest.MonkeyPatch, kept: int, scope: EventScope
) -> None:
    """Also the one who has a third of all events; whether row groups are kept from range to range, or read again."""
    monkeypatch.setattr(scopes, "ROWS_PER_RANGE", 10)
    monkeypatch.setattr(snapshot_module, "MOST_KEPT_ROWS", kept)
    rows = await fill(server)
    async with server.reader.snapshot(30) as snapshot:
        tables = [table async for table in snapshot.by_actor(scope)]
    assert len(tables) > 5
    assert all(is_sorted(table) for table in tables)
    assert count(rows_in(tables)) == count([row for row in rows if is_within(scope, row)])
    seen = Counter(actor for table in tables for actor in set(table["actor_hash"].to_pylist()))
    assert set(seen.values()) == {1}
    others = [[row for row in rows_in([table]) if row[ACTOR] != BUSY] for table in tables]
    assert max(map(len, others)) < 30


async def test_only_the_columns_of_a_scope_are_read(server: Server) -> None:
    """Whatever else was needed to choose and to sort the rows."""
    await fill(server)
    scope = EventScope(START, END, columns=("platform", "purchase.amount"))
    async with server.reader.snapshot(30) as snapshot:
        tables = [*await snapshot.tables(scope), *[table async for table in snapshot.by_actor(scope)]]
        segment = snapshot.segments[0]
        tables.append(await snapshot.table_of_segment(segment, scope.columns))
        of_blocks = await snapshot.table_of_blocks(snapshot.blocks, scope.columns)
        assert of_blocks is not None
        tables.append(of_blocks)
    assert {name for table in tables for name in table.column_names} == {"platform", "purchase.amount"}


async def test_parts_add_up_to_all_events(server: Server) -> None:
    """Each segment and each block has a table of its own for whoever remembers work by it."""
    rows = await fill(server)
    async with server.reader.snapshot(30) as snapshot:
        tables = [await snapshot.table_of_segment(segment) for segment in snapshot.segments]
        for block in snapshot.blocks:
            table = await snapshot.table_of_blocks([block])
            assert table is not None
            assert len(table) == 6
            tables.append(table)
        assert await snapshot.table_of_blocks([]) is None
    assert all(is_sorted(table) for table in tables)
    assert count(rows_in(tables)) == count(rows)


async def test_blocks_are_read_once_and_forgotten_when_they_are_sealed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small ones lie in few tables."""
    fresh: list[int] = []
    original = snapshot_module.take_snapshot

    async def look(*arguments: Any, **options: Any) -> Any:
        taken = await original(*arguments, **options)
        fresh.append(len(taken.fresh))
        return taken

    monkeypatch.setattr(snapshot_module, "take_snapshot", look)
    rows = make_events(60, 4)
    for number, row in enumerate(rows, 1):
        await server.store.store(make_batch([row]))
        async with server.reader.snapshot(30) as snapshot:
            assert count(rows_in(await snapshot.tables(EventScope()))) == count(rows[:number])
            assert len(snapshot.block_tables) <= 7
    assert fresh == [1] * 60
    assert await server.seal()
    async with server.reader.snapshot(30) as snapshot:
        assert count(rows_in(await snapshot.tables(EventScope()))) == count(rows)
        remembered = sum(len(table.ids) for table in snapshot.block_tables)
        assert remembered == len(snapshot.blocks) < 60


async def test_more_blocks_than_are_remembered_are_read_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that nobody seals for keeps no more in memory than its bound."""
    monkeypatch.setattr(block_memory, "MOST_REMEMBERED_ROWS", 12)
    monkeypatch.setattr(block_memory, "DECODED_ROWS", 6)
    monkeypatch.setattr(block_memory, "MOST_TABLE_ROWS", 10)
    rows = make_events(30, 5)
    for start in range(0, 30, 3):
        await server.store.store(make_batch(rows[start : start + 3]))
    for _ in range(2):
        async with server.reader.snapshot(30) as snapshot:
            assert count(rows_in(await snapshot.tables(EventScope()))) == count(rows)
        assert sum(len(table.table) for table in server.reader.memory.tables) <= 12


async def test_what_is_stored_sealed_and_merged_meanwhile_does_not_change_a_snapshot(server: Server) -> None:
    """All numbers of a report are of one moment, also those that it reads beside the events."""
    rows = await fill(server)
    counted: list[int] = []

    async def count_blocks(connection: PooledConnection) -> None:
        counted.append(await connection.fetchval("SELECT count(*) FROM analytics_blocks"))

    async with server.reader.snapshot(30, also=count_blocks) as snapshot:
        await server.store.store(make_batch(make_events(6, 6)))
        while await server.seal():
            pass
        while await server.merge():
            pass
        assert count(rows_in(await snapshot.tables(EventScope()))) == count(rows)
        assert counted == [len(snapshot.blocks)]


async def test_what_is_read_beside_the_events_cannot_write(server: Server) -> None:
    """A mistake in a report's statement must not change what is stored."""

    async def delete(connection: PooledConnection) -> None:
        await connection.execute("DELETE FROM analytics_blocks")

    with pytest.raises(StorageUnavailableError) as error:
        async with server.reader.snapshot(30, also=delete):
            pass
    assert isinstance(error.value.__cause__, asyncpg.ReadOnlySQLTransactionError)


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("user", [None, BUSY, "user-7", "nobody"])
async def test_pages_add_up_while_sealing_and_merging_go_on(
    server: Server, monkeypatch: pytest.MonkeyPatch, user: str | None, ahead: int
) -> None:
    """Each page is of another moment, and each event is on one of them; bytes that were replaced are gone at once."""
    rows = await fill(server)
    expected = [row for row in rows if user in (None, row[USER])]
    monkeypatch.setattr(event_pages, "PAGES_AHEAD", ahead)
    pages = EventPages(ACTORS.of)
    listed: list[EventRecord] = []
    after, number = None, 0
    while True:
        question = PageQuestion(*EVER, EventFilter(user_id=user), after, 7)
        page = await server.reader.ask(lambda snapshot: pages.read(snapshot, question))  # noqa: B023 - asked at once
        listed += page
        if not page:
            break
        after = EventCursor(page[-1].timestamp, page[-1].sequence, page[-1].event_id)
        number += 1
        await (server.seal() if number % 2 else server.merge())
        await server.catalogue.sweep(longest_write=AT_ONCE, replaced_stay=AT_ONCE)
    columns = [dict(zip(COLUMNS, row, strict=True)) for row in expected]
    columns.sort(key=lambda row: (row["timestamp"], row["sequence"], row["event_id"]), reverse=True)
    assert [record.event_id for record in listed] == [row["event_id"] for row in columns]
    for record, row in zip(listed, columns, strict=True):
        assert json.loads(record.event_data) == json.loads(row["event_data"])
        for name in ("event_type", "timestamp", "received_at", "sequence", "user_id", "session_id", "platform"):
            assert getattr(record, name) == row[name]


async def busy_readers(url: str) -> int:
    """Count the readers of this database that Postgres is working for, or waits with."""
    sql = await asyncpg.connect(url)
    found: int = await sql.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'analytics reader' AND state <> 'idle' AND datname = current_database()"
    )
    await sql.close()
    return found


async def test_a_report_that_runs_out_of_time_is_ended_in_postgres_too(server: Server, database_url: str) -> None:
    """The caller learns why, and the connection is fit for the next one."""
    sql = await asyncpg.connect(database_url)
    await sql.execute("BEGIN; LOCK TABLE analytics_segments")  # a report that waits is as good as one that takes long
    with pytest.raises(StorageTimeoutError) as error:
        await server.reader.ask(lambda snapshot: snapshot.tables(EventScope()), 0.2)
    assert error.value.reason == "DEADLINE"
    assert await busy_readers(database_url) == 0
    await sql.execute("ROLLBACK")
    assert await server.reader.read() == []
    await sql.close()


async def test_a_caller_who_goes_away_ends_the_query_in_postgres(server: Server, database_url: str) -> None:
    """Nobody reads its answer; so it is while the bytes of a segment are read."""
    await fill(server)
    sql = await asyncpg.connect(database_url)
    await sql.execute("BEGIN; LOCK TABLE analytics_segment_parts_0, analytics_segment_parts_1")
    asking = asyncio.create_task(server.reader.read())
    async with asyncio.timeout(20):
        while await busy_readers(database_url) == 0:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        while await busy_readers(database_url):
            await asyncio.sleep(0.01)
    await sql.execute("ROLLBACK")
    await sql.close()


async def test_a_late_report_stops_between_tables(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it computes in a thread ends with the table that it is at."""
    monkeypatch.setattr(scopes, "ROWS_PER_RANGE", 10)
    await fill(server)
    seen = 0

    async def dawdle(snapshot: EventSnapshot) -> None:
        nonlocal seen
        async for _ in snapshot.by_actor(EventScope()):
            seen += 1
            await asyncio.Event().wait()

    with pytest.raises(StorageTimeoutError):
        await server.reader.ask(dawdle, 2.0)
    assert seen == 1


async def test_no_connection_is_held_while_a_report_computes(server: Server, database_url: str) -> None:
    """A snapshot is short: vacuum goes on, and other reports find a connection."""
    await fill(server)
    async with server.reader.snapshot(30) as snapshot:
        assert await busy_readers(database_url) == 0
        async for _ in snapshot.by_actor(EventScope()):
            assert await busy_readers(database_url) == 0
