"""Copies into `analytics_events` beside seals, merges and ageing, killed at any statement: each event is there once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from storage.events_table import copying
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments.errors import SegmentMissingError
from tests.integration.events_table_stage import Row, TableServer, count_rows, read_table, window_of, within
from tests.integration.segment_stage import KilledError, killed_at, make_rows, use_small_sizes
from tests.rows import NOON

SEED = 1
STEPS = 90
COPY_STATEMENTS, FILL_STATEMENTS = 25, 80
"""A copy of some chunks has about as many; filling anew makes the days before."""
WEEK = window_of(7)
AT_ONCE = timedelta(0)


class TableModel:
    """Two servers, and the events that they were given."""

    def __init__(self, servers: list[TableServer], sql: Connection) -> None:
        self.servers = servers
        self.sql = sql
        self.rng = random.Random(SEED)  # noqa: S311 - of a test
        self.events: list[Row] = []
        self.seen: Counter[str] = Counter()

    def any_server(self) -> TableServer:
        """Choose a server."""
        return self.rng.choice(self.servers)

    async def write(self) -> None:
        """Store some events."""
        rows = make_rows(self.rng.randrange(1, 9), self.rng)
        await self.any_server().write(rows)
        self.events += rows

    async def seal(self) -> None:
        """Seal what there is."""
        await self.any_server().seal()

    async def merge(self) -> None:
        """Merge what is due."""
        self.seen["merged"] += await self.any_server().merge()

    async def copy(self) -> None:
        """Copy some, and perhaps die."""
        await self._killed(COPY_STATEMENTS, lambda: self.any_server().copy(WEEK), "copy")

    async def fill_anew(self) -> None:
        """Drop a day by hand, so that the table is filled anew by the next copy, which perhaps dies."""
        await self.sql.execute(f"DROP TABLE IF EXISTS analytics_events_{NOON:%Y%m%d}")
        await self._killed(FILL_STATEMENTS, lambda: self.any_server().copy(WEEK), "filled anew")

    async def age(self) -> None:
        """Drop segments, or parts of them, whose events are older than the table."""
        server, before = self.any_server(), NOON - timedelta(days=30)
        for segment in await server.catalogue.list_segments():
            self.seen["aged"] += (await server.keeper.age(segment, before)).rows

    async def all_at_once(self) -> None:
        """Both servers copy while others seal, merge and sweep."""
        first, second = self.servers
        done = await asyncio.gather(
            *(first.copy(WEEK), second.copy(WEEK), first.seal(), second.merge(), first.merge(), self._sweep(second)),
            return_exceptions=True,
        )
        errors = [one for one in done if isinstance(one, BaseException)]
        assert all(isinstance(error, SegmentMissingError) for error in errors), errors
        self.seen["together"] += 1

    async def check(self) -> None:
        """See that the table has no event twice, and none that was never stored."""
        assert not await read_table(self.sql) - count_rows(self.events)

    async def finish(self) -> None:
        """Seal and copy all there is, and see that the table has each event of its days."""
        await self.seal()
        while await self.servers[0].seal():
            pass
        await self.servers[0].copy(WEEK)
        assert await read_table(self.sql) == count_rows(within(self.events, WEEK.first))

    async def _sweep(self, server: TableServer) -> None:
        await server.catalogue.sweep(longest_write=timedelta(hours=1), replaced_stay=AT_ONCE)

    async def _killed(self, statements: int, work: Callable[[], Awaitable[object]], name: str) -> None:
        """Do something, and two times of three die at one of its first statements."""
        kill = self.rng.randrange(1, statements) if self.rng.randrange(3) else None
        with killed_at(kill, is_sent=self.rng.random() < 0.5) as is_killed:
            try:
                await work()
                self.seen[f"{name} done"] += 1
            except (KilledError, StorageUnavailableError):  # the driver rolls back on a connection that is gone
                assert is_killed()
                self.seen[f"{name} killed"] += 1


@pytest.fixture
async def model(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TableModel]:
    """Two servers on one database."""
    use_small_sizes(monkeypatch)
    monkeypatch.setattr(copying, "CHUNK_ROWS", 4)
    monkeypatch.setattr(copying, "MERGE_WAIT", AT_ONCE)
    databases = [await Database.open(database_url), await Database.open(database_url)]
    servers = [TableServer(database, tmp_path / str(number)) for number, database in enumerate(databases)]
    sql = await asyncpg.connect(database_url)
    yield TableModel(servers, sql)
    await sql.close()
    for server in servers:
        await server.store.close()
    for database in databases:
        await database.close()


@pytest.mark.slow
async def test_each_event_is_in_the_table_once_whatever_is_killed(model: TableModel) -> None:
    """After every step none is doubled, and in the end none is missing."""
    steps = (
        *3 * (model.write, model.seal),
        model.merge,
        model.merge,
        model.copy,
        model.copy,
        model.fill_anew,
        model.age,
    )
    for number in range(STEPS):
        await model.rng.choice((*steps, model.all_at_once))()
        await model.check()
        if number % 10 == 0:
            await model.finish()
    await model.finish()
    print(dict(model.seen))  # noqa: T201 - shown where it fails
    wanted = ("copy done", "copy killed", "filled anew done", "filled anew killed", "merged", "aged", "together")
    assert all(model.seen[name] for name in wanted)
