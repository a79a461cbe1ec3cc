"""The job `copy`: by itself every second, by hand all there is, and switched off."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jobs import copy_events
from jobs.copy_events import COPY, TableCopy
from jobs.request import JobRequest
from runtime.settings import Settings
from storage.events_table import copying
from storage.events_table.lag import read_copy_lag
from storage.postgres.database import Connection, Database
from storage.postgres.lease import lease
from storage.segments.errors import SegmentDamagedError
from storage.segments.store import SegmentStore
from storage.upkeep import read_upkeep
from tests.event_tables import KNOWN
from tests.integration.events_table_stage import TableServer, count_rows, read_table, table_days
from tests.integration.segment_stage import use_small_sizes
from tests.rows import NOON

LONG = 60


@pytest.fixture
async def server(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TableServer]:
    """A server that stores and seals."""
    use_small_sizes(monkeypatch)
    made = TableServer(database, tmp_path / "cache")
    with capture_logs():
        yield made
    await made.store.close()


def make_job(server: TableServer, folder: Path, days: int = LONG) -> TableCopy:
    """What a jobs process runs."""
    store = SegmentStore(server.database, KNOWN, cache_folder=folder, cache_bytes=0)
    return TableCopy(server.database, store, days=days, name="server", now=lambda: NOON)


async def test_the_jobs_process_copies_what_was_sealed_and_counts_it(
    server: TableServer, sql: Connection, tmp_path: Path
) -> None:
    """As one run, which `analytics jobs list` and the metrics know of."""
    job = make_job(server, tmp_path)
    assert not await job.run_once(), "there is nothing to copy"
    assert await table_days(sql), "the first run makes the days"
    rows = await server.fill(12)
    assert await job.run_once()
    assert not await job.run_once()
    assert await read_table(sql) == count_rows(rows)
    state = (await read_upkeep(server.database))[COPY]
    assert (state.rows, state.runs, state.reason) == (12, 1, None)


async def test_one_server_copies_at_a_time(server: TableServer, sql: Connection, tmp_path: Path) -> None:
    """The other has nothing to do, and no run is counted."""
    await server.fill(6)
    async with lease(server.database, TableCopy.lease) as taken:
        assert taken
        assert not await make_job(server, tmp_path).run_once()
    assert not await read_table(sql)
    assert COPY not in await read_upkeep(server.database)


async def test_switched_off_nothing_is_copied_and_what_was_goes(
    server: TableServer, sql: Connection, tmp_path: Path
) -> None:
    """Segments do not wait; a table that was never there is not made."""
    off = make_job(server, tmp_path, days=0)
    assert not await off.run_once()
    await server.fill(6)
    await make_job(server, tmp_path).run_once()
    await server.fill(6, seed=2)
    assert await off.run_once()
    assert await table_days(sql) == []
    assert (await read_copy_lag(server.database)).rows == 0
    assert not await off.run_once()


async def test_by_hand_all_is_copied(server: TableServer, sql: Connection) -> None:
    """A dry run tells how much that is."""
    rows = await server.fill(12)
    settings = replace(Settings(), events_table_days=LONG)
    request = JobRequest(database=server.database, settings=settings, now=NOON)
    await copy_events.run(request)
    more = await server.fill(6, seed=2)
    dry = await copy_events.run(replace(request, dry_run=True))
    assert dry.rows == 6
    assert await read_table(sql) == count_rows(rows)
    assert (await copy_events.run(request)).rows == 6
    assert await read_table(sql) == count_rows([*rows, *more])


async def test_a_damaged_segment_is_a_failed_run(server: TableServer, sql: Connection, tmp_path: Path) -> None:
    """Which tells why, and is tried again."""
    await server.fill(6)
    await sql.execute("UPDATE analytics_segments SET sums = '\\x00000000' || substring(sums FROM 5)")
    with pytest.raises(SegmentDamagedError):
        await make_job(server, tmp_path).run_once()
    state = (await read_upkeep(server.database))[COPY]
    assert (state.failures, state.reason) == (1, "SEGMENT_DAMAGED")


async def test_it_rests_while_events_come_in(
    server: TableServer, sql: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Longer than it worked; without writers it does not."""
    rested: list[float] = []

    async def rest(seconds: float) -> None:
        rested.append(seconds)

    monkeypatch.setattr("storage.events_table.pace.sleep", rest)
    monkeypatch.setattr(copying, "CHUNK_ROWS", 4)
    await server.fill(12)
    await make_job(server, tmp_path).run_once()
    assert not rested
    await server.fill(12, seed=2)
    await sql.execute(
        "INSERT INTO analytics_blocks (id, first_at, last_at, stored_at, rows, format, data) "
        "VALUES (gen_random_uuid(), now(), now(), now() + interval '1 minute', 1, 1, '')"
    )
    await make_job(server, tmp_path).run_once()
    assert len(rested) >= 3
    assert all(seconds > 0 for seconds in rested)
