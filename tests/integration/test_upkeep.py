"""Upkeep: what is due is sealed and merged by itself, by any number of servers, and what cannot be read is named."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobs.upkeep import Upkeep
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments import plans
from storage.segments.errors import SegmentDamagedError
from storage.segments.scopes import EventScope
from storage.segments.store import SegmentStore
from storage.segments.tables import rows_of_table
from storage.segments.upkeep import SegmentUpkeep
from storage.upkeep import read_upkeep
from storage.write.batch import TIMESTAMP
from tests.event_tables import KNOWN
from tests.integration.segment_stage import Row, Server, count, make_rows, use_small_sizes
from tests.rows import NOON, make_batch

WAIT_S = 30.0


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small segments; six events are sealed at once."""
    use_small_sizes(monkeypatch)
    monkeypatch.setattr(plans, "SEAL_ROWS", 6)
    with capture_logs():
        yield


@pytest.fixture
async def server(database: Database, tmp_path: Path) -> AsyncIterator[Server]:
    """What reads and writes."""
    server = Server(database, tmp_path / "cache")
    yield server
    await server.store.close()


def make_store(database: Database, tmp_path: Path) -> SegmentStore:
    """What a jobs process has."""
    return SegmentStore(database, KNOWN, cache_folder=tmp_path, cache_bytes=0)


def make_upkeep(database: Database, tmp_path: Path, name: str = "server") -> Upkeep:
    """What a jobs process runs."""
    return Upkeep(database, make_store(database, tmp_path), name=name)


async def write(server: Server, batches: int, size: int = 3, number: int = 1) -> Counter[Row]:
    """Store some blocks."""
    rows = make_rows(batches * size, random.Random(number))  # noqa: S311 - of a test
    for start in range(0, len(rows), size):
        await server.store.store(make_batch(rows[start : start + size]))
    return count(rows)


async def damage_block(sql: Connection) -> Any:
    """Flip a byte of the oldest block."""
    return await sql.fetchval(
        "UPDATE analytics_blocks SET data = set_byte(data, 40, get_byte(data, 40) # 16) "
        "WHERE id = (SELECT id FROM analytics_blocks ORDER BY stored_at, id LIMIT 1) RETURNING id"
    )


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that happens by itself."""
    async with asyncio.timeout(WAIT_S):
        while not await is_so():
            await asyncio.sleep(0.02)


async def test_what_is_due_is_sealed_and_merged_by_itself(server: Server, database: Database, tmp_path: Path) -> None:
    """Without a tick of the clock; and how it went can be read."""
    events = await write(server, 12)
    stop = asyncio.Event()
    running = asyncio.create_task(make_upkeep(database, tmp_path).keep_running(stop))
    await until(lambda: _has_run(database, "merge"))
    stop.set()
    await running
    assert await server.read() == events
    state = (await read_upkeep(database))["seal"]
    assert (state.runner, state.failures, state.reason) == ("server", 0, None)
    assert state.runs >= 1
    assert 6 <= state.rows <= 36


async def _has_run(database: Database, job: str) -> bool:
    return job in await read_upkeep(database)


async def test_what_is_not_due_stays_in_blocks(server: Server, database: Database, tmp_path: Path) -> None:
    """Few events wait for others, or for an hour."""
    await write(server, 1)
    upkeep = make_upkeep(database, tmp_path)
    assert not await upkeep.run_once()
    assert await server.catalogue.list_segments() == []
    (block,) = await server.catalogue.list_blocks()
    later = Upkeep(
        database, make_store(database, tmp_path), name="server", now=lambda: block.stored_at + plans.SEAL_LATEST
    )
    assert await later.run_once()
    assert await server.catalogue.list_blocks() == []


async def test_several_servers_at_once_count_each_event_once(
    server: Server, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no lease keeps them apart, beside writers and readers, and while bytes are swept."""
    upkeeps = [SegmentUpkeep(make_store(database, tmp_path)) for _ in range(3)]
    events: Counter[Row] = Counter()
    for number in range(4):
        events += await write(server, 6, number=number)
        done = await asyncio.gather(*(work() for upkeep in upkeeps for work in (upkeep.seal, upkeep.merge)))
        assert any(one is not None and one.is_done for one in done)
        assert await server.read() == events
    monkeypatch.setattr("jobs.continuous.PERIOD_S", 0.01)
    stop = asyncio.Event()
    running = [asyncio.create_task(make_upkeep(database, tmp_path, f"server-{n}").keep_running(stop)) for n in range(3)]
    for number in range(4, 8):
        events += await write(server, 6, number=number)
        assert await server.read() == events
    await until(lambda: _is_sealed(server))
    stop.set()
    await asyncio.gather(*running)
    assert await server.read() == events


async def _is_sealed(server: Server) -> bool:
    return not await server.catalogue.list_blocks()


async def test_a_damaged_block_is_named_and_holds_up_no_other(
    server: Server, database: Database, sql: Connection, tmp_path: Path
) -> None:
    """It stays where it is, for a backup to mend; reports that need it fail, and name it."""
    await write(server, 4)
    damaged = await damage_block(sql)
    upkeep = make_upkeep(database, tmp_path)
    with capture_logs() as logs:
        assert await upkeep.run_once()
    (line,) = (line for line in logs if line["event"] == "block_unreadable")
    assert line["block"] == str(damaged)
    assert [block.id for block in await server.catalogue.list_blocks()] == [damaged]
    assert sum(segment.rows for segment in await server.catalogue.list_segments()) == 9
    assert not await upkeep.run_once()
    with pytest.raises(Exception, match=str(damaged)):
        await server.read()


async def test_a_damaged_segment_is_named_and_stops_no_merge_of_others(
    server: Server, database: Database, sql: Connection, tmp_path: Path
) -> None:
    """Its merge fails once, is counted as a failure, and the segment is left alone."""
    rows = [row for row in make_rows(300, random.Random(3)) if row[TIMESTAMP] > NOON - timedelta(hours=1)]  # noqa: S311
    upkeep = make_upkeep(database, tmp_path)
    for start in range(0, 9, 3):
        await server.store.store(make_batch(rows[start : start + 3]))
        await server.seal()
    first, *others = await server.catalogue.list_segments()
    await sql.execute(
        "UPDATE analytics_segment_parts_0 SET data = set_byte(data, 8, get_byte(data, 8) # 16) WHERE segment_id = $1",
        first.id,
    )
    with pytest.raises(SegmentDamagedError, match=str(first.id)):
        await upkeep.run_once()
    state = (await read_upkeep(database))["merge"]
    assert (state.runs, state.failures, state.reason) == (0, 1, "SEGMENT_DAMAGED")
    assert not await upkeep.run_once()
    await server.store.store(make_batch(rows[9:12]))
    await server.seal()
    assert await upkeep.run_once()
    left = await server.catalogue.list_segments()
    assert sorted(segment.rows for segment in left) == [3, 9]
    assert first.id in {segment.id for segment in left}
    assert not {segment.id for segment in others} & {segment.id for segment in left}


async def test_failures_are_tried_again_ever_more_slowly(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each, and never more than a minute apart."""
    upkeep = make_upkeep(database, tmp_path)
    pauses: list[float] = []
    stop = asyncio.Event()

    async def fail() -> bool:
        raise StorageUnavailableError("away")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            stop.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(upkeep, "run_once", fail)
    monkeypatch.setattr("jobs.continuous.pause", sleep)
    with capture_logs() as logs:
        await upkeep.keep_running(stop)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert [line["reason"] for line in logs] == ["STORAGE_UNAVAILABLE"] * 8


async def test_a_report_across_a_seal_and_a_merge_sees_each_event_once(
    server: Server, database: Database, tmp_path: Path
) -> None:
    """Its snapshot was taken before; the bytes of what was replaced meanwhile are still there."""
    events = await write(server, 12)
    upkeep = SegmentUpkeep(make_store(database, tmp_path))
    await upkeep.seal()
    async with server.reader.snapshot(WAIT_S) as snapshot:
        assert await upkeep.seal_all()
        assert await upkeep.merge_all()
        await server.catalogue.sweep()
        tables = await snapshot.tables(EventScope())
    assert count([row for table in tables for row in rows_of_table(table, KNOWN)]) == events
    assert await server.read() == events
