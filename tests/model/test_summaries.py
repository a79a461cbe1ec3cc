"""Summaries beside a model: writes, late events, folds, compactions, rebuilds and ageing, killed at any statement.

After each step, what is stored of all hours, days, weeks and months, and what is not summarised yet, add up to the
count by hand of all events that were ever stored: counts, exact sums, sketches, samples of sessions, contents and
paths. First sights are those of all events that are summarised, whether or not they have aged out since.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from storage.postgres.database import Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments.errors import SegmentMissingError
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import rows_of_table
from storage.summaries import folding
from storage.summaries.horizon import Horizon, read_horizon
from storage.summaries.parts import add_up_periods, list_parts, read_parts, sum_parts
from storage.summaries.periods import DAY, Period, Timeframe
from storage.summaries.summary import Summary, add
from storage.write.batch import EVENT_ID
from storage.write.hours import HOUR, hour_of
from tests.event_tables import KNOWN
from tests.integration.segment_stage import KilledError, killed_at
from tests.integration.summary_stage import SummaryStage
from tests.rows import NOON, make_row
from tests.summaries_by_hand import first_sights_by_hand, summarise_by_hand

AnswerT = TypeVar("AnswerT")
Row = tuple[Any, ...]

SEED = 1
"""The same examples in every run; any other number makes others."""
EXAMPLES = 4
STEPS = 16
FIRST = datetime(2026, 1, 29, tzinfo=UTC)
"""Days of two months, and of two weeks."""
DAYS = 6
LAST = FIRST + DAYS * DAY
POINTS = {"fold": 24, "compact": 7, "rebuild": 24, "purge": 40}
"""About how many statements each has; a process dies at one of them."""
MIX = ("write", *4 * ["fold"], *3 * ["compact"], *2 * ["rebuild"], *3 * ["purge"], "all at once")
"""How often each is done."""
TABLES = (
    "analytics_blocks",
    "analytics_segments",
    "analytics_segment_parts_0",
    "analytics_segment_parts_1",
    "analytics_event_keys",
    "analytics_summaries",
    "analytics_aggregations",
    "analytics_first_sights",
    "analytics_new_actors",
)
PAYLOADS = (
    ("view", '{{"contentType":"post","contentId":"p{number}","viewDuration":{number}.5}}'),
    ("view", '{{"contentType":"shop","contentId":"p{number}"}}'),
    ("purchase", '{{"amount":0.{number},"currency":"EUR","conversionPath":["a","p{number}"]}}'),
    ("stream", '{{"streamId":"s{number}","viewerCount":{number},"watchDuration":0.1}}'),
    ("session", '{{"action":"start"}}'),
)


class Stored(NamedTuple):
    """What one snapshot has.

    Attributes:
        pending: rows that are not summarised.
        summaries: what is stored.
        horizon: from when on there is everything.
        sights: first sights by actor.
        new_actors: how many an hour is said to have.
    """

    pending: Sequence[Row]
    summaries: dict[Period, Summary]
    horizon: Horizon
    sights: dict[int, datetime]
    new_actors: dict[datetime, int]


class Stage:
    """What all examples share: two servers, and what has happened."""

    def __init__(self, url: str, folder: Path, runner: asyncio.Runner) -> None:
        self.url, self.folder, self.runner = url, folder, runner
        self.happened: Counter[str] = Counter()

    async def open(self) -> None:
        """Connect."""
        self.sql = await asyncpg.connect(self.url)
        self.databases = [await Database.open(self.url), await Database.open(self.url)]
        self.servers = [SummaryStage(database, self.sql, self.folder) for database in self.databases]

    async def clear(self) -> None:
        """Leave nothing to the next example."""
        await self.sql.execute(f"TRUNCATE {', '.join(TABLES)}")
        await self.sql.execute(
            f"UPDATE analytics_horizon SET raw_from = {LONG_AGO}, hours_from = {LONG_AGO}, days_from = {LONG_AGO}"
        )

    async def close(self) -> None:
        """Disconnect."""
        for database in self.databases:
            await database.close()
        await self.sql.close()

    def run(self, work: Coroutine[Any, Any, AnswerT]) -> AnswerT:
        """Run something to its end."""
        return self.runner.run(work)


LONG_AGO = "TIMESTAMPTZ '1970-01-01 00:00+00'"
SERVERS = st.integers(0, 1)
CUTS = st.tuples(*3 * [st.integers(0, DAYS - 1)]).map(lambda cuts: tuple(sorted(cuts, reverse=True)))


class SummaryMachine(RuleBasedStateMachine):
    """Does one thing after the other to a database, and keeps all rows that were ever stored."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.rows: list[Row] = []

    @initialize(number=st.integers(0, 2**32))
    def begin(self, number: int) -> None:
        """Start with some events."""
        self.chance = random.Random(number)  # noqa: S311 - of a test
        self.stage.run(self.stage.clear())
        self.do("write", lambda: self._write(0, 12))

    @rule(
        name=st.sampled_from(MIX),
        server=SERVERS,
        cuts=CUTS,
        point=st.none() | st.floats(0, 1),
        is_sent=st.booleans(),
    )
    def step(self, name: str, server: int, cuts: tuple[int, int, int], point: float | None, *, is_sent: bool) -> None:
        """Do the next thing, and perhaps die. One rule draws it: of several, hypothesis leaves most out of most."""
        stage = self.stage.servers[server]
        kill = None if point is None or name not in POINTS else 1 + int(point * (POINTS[name] - 1))

        async def rebuild() -> int:
            return (await stage.rebuild(FIRST + cuts[2] * DAY, LAST)).hours

        async def purge() -> bool:
            await stage.purge(*(FIRST + cut * DAY for cut in cuts))
            return True

        async def fold_often() -> None:
            for _ in range(folding.MANY_PARTS):
                await self._write(server, 2)
                await stage.fold()

        match name:
            case "write":
                self.do(name, lambda: self._write(server, 5))
            case "fold":
                self.do(name, stage.fold, kill, is_sent=is_sent, first=lambda: self._write(server, 3))
            case "compact":
                self.do(name, stage.keeper.compact, kill, is_sent=is_sent, first=fold_often)
            case "rebuild":
                self.do(name, rebuild, kill, is_sent=is_sent)
            case "purge":
                self.do(name, purge, kill, is_sent=is_sent, first=lambda: self._write(server, 3))
            case _:
                self.do(name, self._all_at_once)

    async def _all_at_once(self) -> None:
        """Both servers write, fold, put together and rebuild at once, without a lease."""
        first, second = self.stage.servers
        results = await asyncio.gather(
            *(self._write(0, 3), first.fold(), second.fold(), self._write(1, 3)),
            *(second.keeper.compact(), first.rebuild(FIRST, LAST), second.fold(), second.differences()),
            return_exceptions=True,
        )
        errors = [result for result in results if isinstance(result, BaseException)]
        # What another server has replaced is no error.
        assert all(isinstance(error, SegmentMissingError) for error in errors), errors
        assert not results[-1]

    async def _write(self, server: int, size: int) -> None:
        rows = []
        for _ in range(size):
            event_type, data = self.chance.choice(PAYLOADS)
            user = self.chance.choice((None, *(f"u{number}" for number in range(5))))
            at = self.chance.choice((timedelta(), 2 * HOUR, DAYS * DAY - HOUR)) * self.chance.random()
            row = make_row(
                event_type=event_type,
                event_data=data.format(number=self.chance.randrange(1, 5)),
                user_id=user,
                session_id=self.chance.choice((None, f"session-{user}")),
                timestamp=FIRST + self.chance.choice((0, 1, 2)) * HOUR + at,
                received_at=NOON + timedelta(seconds=self.chance.randrange(9)),
            )
            rows.append(row)
        self.rows += rows
        await self.stage.servers[server].store(*rows)

    def do(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        kill: int | None = None,
        *,
        is_sent: bool = False,
        first: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Do something, perhaps killed at a statement, and compare everything with the model."""

        async def do() -> None:
            if first is not None:
                await first()
            with killed_at(kill, is_sent=is_sent) as is_killed:
                try:
                    self.stage.happened[name] += bool(await work()) or name in {"write", "all at once"}
                except (KilledError, StorageUnavailableError):  # the driver rolls back on a connection that is gone
                    assert is_killed()
                    self.stage.happened[f"{name} killed"] += 1
            await self._check()

        self.stage.run(do())

    async def _check(self) -> None:
        stored = await self._read()
        ids = {row[EVENT_ID] for row in stored.pending}
        summarised = [row for row in self.rows if row[EVENT_ID] not in ids]
        everything, pending = (add_up_periods(summarise_by_hand(rows)) for rows in (self.rows, stored.pending))
        found = {
            period: add([part for part in (stored.summaries.get(period), pending.get(period)) if part is not None])
            for period in {*stored.summaries, *pending}
            if stored.horizon.keeps(period)
        }
        assert found == {period: summary for period, summary in everything.items() if stored.horizon.keeps(period)}
        assert all(map(stored.horizon.keeps, stored.summaries))
        assert stored.sights == first_sights_by_hand(summarised)
        assert stored.new_actors == Counter(map(hour_of, stored.sights.values()))
        assert await self.stage.servers[0].differences() == []
        self.stage.happened["hours that were dropped"] += len(found) < len(everything)
        self.stage.happened["pending"] += bool(pending)

    async def _read(self) -> Stored:
        """Read what a dashboard reads, in one snapshot."""
        found: dict[str, Any] = {}

        async def also(connection: Any) -> None:
            found["horizon"] = await read_horizon(connection)
            ranges = [(timeframe, FIRST - 40 * DAY, LAST) for timeframe in Timeframe]
            found["parts"] = await read_parts(connection, await list_parts(connection, ranges))
            found["sights"] = await connection.fetch("SELECT actor, first_at FROM analytics_first_sights")
            found["new"] = await connection.fetch("SELECT hour, count FROM analytics_new_actors WHERE count <> 0")

        async def read_pending(snapshot: EventSnapshot) -> list[Row]:
            tables = [await snapshot.table_of_segment(one) for one in snapshot.segments if not one.is_summarised]
            waiting = await snapshot.table_of_blocks(snapshot.blocks)
            return [
                row
                for table in [*tables, *([] if waiting is None else [waiting])]
                for row in rows_of_table(table, KNOWN)
            ]

        pending = await self.stage.servers[1].segments.reader.ask(read_pending, also=also)
        return Stored(
            pending,
            sum_parts(found["parts"]),
            found["horizon"],
            {row["actor"]: row["first_at"] for row in found["sights"]},
            {row["hour"]: row["count"] for row in found["new"]},
        )


@pytest.mark.slow
def test_summaries_agree_with_all_that_was_ever_stored(
    module_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, whatever is killed."""
    monkeypatch.setattr(folding, "MANY_PARTS", 3)
    with asyncio.Runner() as runner:
        stage = Stage(module_database_url, tmp_path, runner)
        runner.run(stage.open())
        try:
            run_state_machine_as_test(
                seed(SEED)(lambda: SummaryMachine(stage)),  # type: ignore[arg-type] # it is called, and no more
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
    names = ("fold", "compact", "rebuild", "purge")
    expected = {*names, *(f"{name} killed" for name in names), "all at once", "pending", "hours that were dropped"}
    assert {name for name in expected if not stage.happened[name]} == set()
