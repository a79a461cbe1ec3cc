"""Seals, merges, ageing, sweeps and reads in any order, killed at any statement: each event counts once."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from storage.postgres.database import Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments.errors import SegmentMissingError
from storage.write.batch import TIMESTAMP, WriteOutcome
from tests.integration.segment_stage import KilledError, Server, count, killed_at, make_rows, use_small_sizes
from tests.rows import NOON, make_batch

SEED = 1
EXAMPLES = 8
STEPS = 25
AT_ONCE = timedelta(0)
MERGE_INPUTS = 3
TABLES = ("analytics_blocks", "analytics_segments", "analytics_segment_parts_0", "analytics_segment_parts_1")
Row = tuple[Any, ...]


class Stage:
    """What all examples share."""

    def __init__(self, url: str, folder: Path, runner: asyncio.Runner) -> None:
        self.url, self.folder, self.runner = url, folder, runner
        self.seen: Counter[str] = Counter()

    async def open(self) -> None:
        """Connect, and make two servers."""
        self.sql = await asyncpg.connect(self.url)
        self.databases = [await Database.open(self.url), await Database.open(self.url)]
        self.servers = [
            Server(database, self.folder / f"cache-{number}") for number, database in enumerate(self.databases)
        ]

    async def clear(self) -> None:
        """Leave nothing to the next example."""
        await self.sql.execute(f"TRUNCATE {', '.join(TABLES)}, analytics_event_keys")

    async def count_blocks(self) -> int:
        """Count the blocks."""
        blocks: int = await self.sql.fetchval("SELECT count(*) FROM analytics_blocks")
        return blocks

    async def close(self) -> None:
        """Disconnect."""
        for server in self.servers:
            await server.store.close()
        for database in self.databases:
            await database.close()
        await self.sql.close()


kills = st.none() | st.integers(1, 14)
servers = st.integers(0, 1)


class SegmentMachine(RuleBasedStateMachine):
    """Drives two servers; `events` is what is stored."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.events: Counter[Row] = Counter()

    @initialize(number=st.integers(0, 2**32))
    def begin(self, number: int) -> None:
        """Start with nothing."""
        self.rng = random.Random(number)  # noqa: S311 - of a test
        self.stage.runner.run(self.stage.clear())

    @rule(server=servers, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
    def write(self, server: int, sizes: list[int]) -> None:
        """Store some batches."""
        self.do("write", lambda: self._write(server, sizes))

    @rule(server=servers, kill=kills, is_sent=st.booleans())
    def seal(self, server: int, kill: int | None, *, is_sent: bool) -> None:
        """Seal, and perhaps die."""
        self.do("seal", self.stage.servers[server].seal, kill, is_sent=is_sent, first=lambda: self._write(server, [6]))

    @rule(server=servers, kill=kills, is_sent=st.booleans())
    def merge(self, server: int, kill: int | None, *, is_sent: bool) -> None:
        """Merge, and perhaps die."""

        async def seal() -> None:
            for _ in range(MERGE_INPUTS):
                await self._write(server, [5])
                await self.stage.servers[server].seal()

        self.do("merge", self.stage.servers[server].merge, kill, is_sent=is_sent, first=seal)

    @rule(server=servers, kill=kills, is_sent=st.booleans(), days=st.sampled_from([0, 1, 30]))
    def age(self, server: int, kill: int | None, days: int, *, is_sent: bool) -> None:
        """Drop old segments, and perhaps die."""
        before = NOON - timedelta(days=days, seconds=-1)

        async def age() -> int:
            keeper, catalogue = self.stage.servers[server].keeper, self.stage.servers[server].catalogue
            return sum([(await keeper.age(segment, before)).rows for segment in await catalogue.list_segments()])

        self.do("age", age, kill, is_sent=is_sent, aged_before=before)

    @rule(server=servers, kill=kills, is_sent=st.booleans())
    def sweep(self, server: int, kill: int | None, *, is_sent: bool) -> None:
        """Sweep what nobody needs, and perhaps die."""
        self.do("sweep", lambda: self._sweep(server), kill, is_sent=is_sent)

    @rule()
    def all_at_once(self) -> None:
        """Both servers seal, merge, sweep and read at once, without a lease."""

        async def all_at_once() -> None:
            for _ in range(2):
                first, second = self.stage.servers
                results = await asyncio.gather(
                    *(first.seal(), second.seal(), first.merge(), second.merge(), self._sweep(0), self._read(second)),
                    return_exceptions=True,
                )
                # A segment that was swept while it was merged is no error: it counts no more.
                errors = [result for result in results if isinstance(result, BaseException)]
                assert all(isinstance(error, SegmentMissingError) for error in errors), errors
                self.stage.seen["won"] += sum(result is True for result in results[:4])

        self.do("all_at_once", all_at_once)

    async def _write(self, server: int, sizes: list[int]) -> None:
        for size in sizes:
            rows = make_rows(size, self.rng)
            outcomes = await self.stage.servers[server].store.store(make_batch(rows))
            assert outcomes == [WriteOutcome.STORED] * size
            self.events += count(rows)

    async def _sweep(self, server: int) -> None:
        swept = await self.stage.servers[server].catalogue.sweep(longest_write=AT_ONCE, replaced_stay=AT_ONCE)
        self.stage.seen["swept"] += swept

    async def _read(self, server: Server) -> None:
        """Read while others change the catalogue."""
        with suppress(SegmentMissingError):  # swept again and again, at once
            assert await server.read() == self.events
            self.stage.seen["read beside changes"] += 1

    def do(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        kill: int | None = None,
        *,
        is_sent: bool = False,
        aged_before: datetime | None = None,
        first: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Do something, perhaps killed at a statement, and see that both servers read the events of the model."""

        async def do() -> None:
            self.stage.seen[name] += 1
            if first is not None:
                await first()
            with killed_at(kill, is_sent=is_sent) as is_killed:
                try:
                    self.stage.seen[f"{name} done"] += bool(await work())
                except (KilledError, StorageUnavailableError):  # the driver rolls back on a connection that is gone
                    assert is_killed()
                    self.stage.seen[f"{name} killed"] += 1
            found = await self.stage.servers[0].read()
            if aged_before is not None:
                gone = self.events - found
                assert all(row[TIMESTAMP] < aged_before for row in gone), "a young event has aged"
                if kill is None:
                    blocks = await self.stage.count_blocks()
                    old = sum(row[TIMESTAMP] < aged_before for row in found.elements())
                    assert blocks or not old, "an old event has stayed"
                self.stage.seen["aged"] += len(gone)
                self.events -= gone
            assert found == self.events
            assert await self.stage.servers[1].read() == self.events

        self.stage.runner.run(do())


@pytest.mark.slow
def test_each_event_counts_once_whatever_is_killed(
    module_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every step, in both servers."""
    use_small_sizes(monkeypatch)
    with asyncio.Runner() as runner:
        stage = Stage(module_database_url, tmp_path, runner)
        runner.run(stage.open())
        try:
            run_state_machine_as_test(
                seed(SEED)(lambda: SegmentMachine(stage)),  # type: ignore[arg-type] # it is called, and no more
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stage.close())
    print(dict(stage.seen))  # noqa: T201 - shown where it fails
    wanted = {f"{name} {end}" for name in ("seal", "merge", "age") for end in ("done", "killed")}
    assert all(stage.seen[name] for name in wanted | {"sweep killed", "swept", "won", "aged", "read beside changes"})
