"""Rollups beside a model: writes, late events, duplicates, folds, purges, rebuilds, and kill -9 in the middle of them.

After each step rollups plus deltas equal a count of all events that were ever stored: of months always, of hours and
days as long as these are kept. When all is folded, first sights are those of all events that were ever stored, and so
are the users, sessions and rankings of months.
"""

import asyncio
import itertools
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, TypeVar

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from storage.postgres.database import Connection, Database
from storage.retention import DAYS as DAY_ROLLUPS
from storage.retention import HOURS, RAW, RetentionPolicy, purge_aged
from storage.rollups import Timeframe, fold, rebuild, verify
from storage.rollups.forms.session_sample import estimate_sessions
from storage.rollups.forms.sketch import estimate
from storage.rollups.totals import TotalsSource, sum_rollups
from tests.conftest import TEMPLATE, database_url_in
from tests.rows import make_batch, make_row, make_store

AnswerT = TypeVar("AnswerT")

SEED = 1
"""The same examples in every run; any other number makes others."""
EXAMPLES = 5
STEPS = 16
FIRST = datetime(2026, 1, 29, tzinfo=UTC)
"""Days of two months, and of two weeks."""
DAYS = 6
AGE_DAYS = 100
NOW = FIRST + timedelta(days=AGE_DAYS)
LAST_STATEMENT = 45
"""A fold of these few events takes about as many; a purge takes more for each day."""
SESSION_GONE_S = 10.0
_numbers = itertools.count(1)
_orders = itertools.count(1)

DOOMED = """
import asyncio, os, signal, sys
from datetime import datetime
import asyncpg
from storage.postgres.database import Database
from storage.retention import RetentionPolicy, purge_aged
from storage.rollups import fold, rebuild

url, what, now = sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3])
left, in_flight = map(int, sys.argv[4:6])

def doom(statement):
    async def run(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            if in_flight:
                running = asyncio.ensure_future(statement(*arguments, **options))
                await asyncio.sleep(0.001)
            os.kill(os.getpid(), signal.SIGKILL)
        return await statement(*arguments, **options)
    return run

async def main():
    database = await Database.open(url)
    for name in ("execute", "fetch", "fetchrow", "fetchval", "executemany", "copy_records_to_table"):
        setattr(asyncpg.Connection, name, doom(getattr(asyncpg.Connection, name)))
    if what == "fold":
        await fold(database)
    elif what == "rebuild":
        await rebuild(database, datetime.fromisoformat(sys.argv[6]), now)
    else:
        await purge_aged(database, RetentionPolicy(*map(int, sys.argv[6:])), now)

asyncio.run(main())
"""
"""Kills itself by -9 before a statement, transactions' own included, or while Postgres works on it."""


def count_sessions(moments: Sequence[datetime], *, is_identified: bool) -> tuple[int, timedelta]:
    """Count the sessions of a session id, or of an actor's ascending events without one, and add up their lengths."""
    cuts = [
        place
        for place in range(1, len(moments))
        if not is_identified and moments[place] - moments[place - 1] >= timedelta(minutes=30)
    ]
    sessions, total = 0, timedelta()
    for first, end in itertools.pairwise([0, *cuts, len(moments)]):
        length = moments[end - 1] - moments[first]
        sessions += 1 if is_identified else 1 + length // timedelta(hours=24)
        total += length
    return sessions, total


@dataclass(frozen=True, slots=True)
class Sent:
    """An event to write: in which hour, of which type, by whom, at what price; whether an earlier one comes again."""

    hour: int
    event_type: str
    user: int
    cents: int
    repeats: bool


class Death(NamedTuple):
    """Before which statement a process dies, or during it."""

    statement: int
    in_flight: bool


class Write(NamedTuple):
    """A batch."""

    sent: Sequence[Sent]


class Fold(NamedTuple):
    """A fold to the end, or until death."""

    death: Death | None


class Rebuild(NamedTuple):
    """A rebuild of this day and all days after it, to the end or until death."""

    first: int
    death: Death | None


class Purge(NamedTuple):
    """Raw events, hours and days before these days age out; death may come first, and a second run then finishes."""

    cuts: tuple[int, int, int]
    death: Death | None


SENT = st.builds(
    Sent,
    hour=st.integers(0, 24 * DAYS - 1),
    event_type=st.sampled_from(["view", "purchase"]),
    user=st.integers(1, 9),
    cents=st.integers(1, 10_000),
    repeats=st.booleans(),
)
CUTS = st.tuples(*3 * [st.integers(0, DAYS - 1)]).map(lambda cuts: tuple(sorted(cuts, reverse=True)))
WRITES = st.builds(Write, st.lists(SENT, min_size=1, max_size=8))
DEATHS = st.builds(Death, st.integers(1, LAST_STATEMENT), st.booleans())
FIRST_DAYS = st.integers(0, DAYS - 1)
FOLDS, REBUILDS, PURGES = (
    st.builds(Fold, st.none()),
    st.builds(Rebuild, FIRST_DAYS, st.none()),
    st.builds(Purge, CUTS, st.none()),
)
KILLED = (*2 * [st.builds(Fold, DEATHS)], st.builds(Rebuild, FIRST_DAYS, DEATHS), st.builds(Purge, CUTS, DEATHS))
MIX = [*5 * [WRITES], *2 * [FOLDS], REBUILDS, PURGES, *KILLED]
DONE = st.integers(0, len(MIX) - 1).flatmap(MIX.__getitem__)
"""What is done next. One rule draws it: of several, hypothesis leaves most out of most examples."""
HAPPENINGS = (
    "duplicate",
    "event of frozen hours",
    "fold",
    "killed fold",
    "killed rebuild",
    "killed purge",
    RAW,
    HOURS,
    DAY_ROLLUPS,
)
"""What has to occur in a run: the test is worth nothing without."""


class RollupMachine(RuleBasedStateMachine):
    """Does one thing after the other to a database, and to the model of it."""

    server_url = ""
    happened: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stored: list[tuple[Any, ...]] = []
        self.hours: Counter[tuple[datetime, str]] = Counter()
        """What hour rollups and deltas should add up to, and the same of days and months."""
        self.days: Counter[tuple[datetime, str]] = Counter()
        self.months: Counter[tuple[datetime, str]] = Counter()
        self.revenue = Decimal(0)
        self.first_sights: dict[str, datetime] = {}
        self.contents: Counter[tuple[datetime, str]] = Counter()
        self.active: dict[tuple[datetime, str], list[datetime]] = defaultdict(list)
        """When each session, or without one each user, was active in each month."""
        self.users: dict[datetime, set[str]] = defaultdict(set)
        self.raw_from = FIRST
        """Before it, raw events have aged out."""

    @initialize(first=WRITES)
    def start(self, first: Write) -> None:
        """Make a database of its own, with some events."""
        self._name = f"model_{next(_numbers)}"
        self._run(self._on_server(f"CREATE DATABASE {self._name} TEMPLATE {TEMPLATE}"))
        self._url = database_url_in(self.server_url, self._name)
        self._database = self._run(Database.open(self._url))
        self._sql: Connection = self._run(asyncpg.connect(self._url))
        self.write(first.sent)

    def teardown(self) -> None:
        """Drop it."""
        self._sql.terminate()
        self._run(self._database.close())
        self._run(self._on_server(f"DROP DATABASE {self._name} WITH (FORCE)"))
        self._runner.close()

    @rule(done=DONE)
    def step(self, done: Write | Fold | Rebuild | Purge) -> None:
        """Do the next thing."""
        match done:
            case Write(sent):
                self.write(sent)
            case Fold(death):
                self.fold(death)
            case Rebuild(first, death):
                self.rebuild(first, death)
            case Purge(cuts, death):
                self.purge(cuts, death)

    def write(self, sent: Sequence[Sent]) -> None:
        """Write a batch; some of its events are stored already."""
        rows = []
        for number, event in enumerate(sent):
            if event.repeats and self._stored:
                rows.append(self._stored[number % len(self._stored)])
                self.happened["duplicate"] += 1
                continue
            moment = FIRST + timedelta(hours=event.hour, minutes=next(_orders) % 60)
            price = Decimal(event.cents) / 100
            user = f"user-{event.user}"
            session = f"session-{event.user}" if event.user % 2 else None
            row = make_row(
                timestamp=moment,
                user_id=user,
                session_id=session,
                event_type=event.event_type,
                event_data=f'{{"amount":{price},"currency":"EUR"}}'
                if event.event_type == "purchase"
                else f'{{"contentType":"post","contentId":"{user}"}}',
                received_at=NOW,
            )
            rows.append(row)
            self._stored.append(row)
            for counter, timeframe in self._counters():
                counter[timeframe.start_of(moment), event.event_type] += 1
            self.revenue += price if event.event_type == "purchase" else 0
            self.first_sights[user] = min(moment, self.first_sights.get(user, moment))
            month = Timeframe.MONTH.start_of(moment)
            self.contents[month, user] += event.event_type == "view"
            self.active[month, session or user].append(moment)
            self.users[month].add(user)
            self.happened["event of frozen hours"] += moment < self.raw_from
        self._run(self._write(rows))

    def fold(self, death: Death | None) -> None:
        """Fold to the end, or until death."""
        if death is None:
            self.happened["fold"] += self._run(fold(self._database)).hours > 0
        else:
            self._die("fold", death, NOW)

    def rebuild(self, first: int, death: Death | None) -> None:
        """Make rollups anew from a day on, to the end or not."""
        start, end = FIRST + timedelta(days=first), FIRST + timedelta(days=DAYS)
        if death is None:
            self._run(rebuild(self._database, start, end))
        else:
            self._die("rebuild", death, end, start.isoformat())

    def purge(self, cuts: tuple[int, int, int], death: Death | None) -> None:
        """Let raw events, hours and days go; what is not folded is folded first."""
        ages = [AGE_DAYS - cut for cut in cuts]
        if death is not None:
            self._die("purge", death, NOW, *map(str, ages))
            assert self._run(self._read(Timeframe.MONTH)) == self.months
            self._verify()
        for aged in self._run(purge_aged(self._database, RetentionPolicy(*ages), NOW)):
            self.happened[aged.what] += aged.rows > 0
        self.raw_from = max(self.raw_from, FIRST + timedelta(days=cuts[0]))
        for counter, cut in ((self.hours, cuts[1]), (self.days, cuts[2])):
            for time_and_type in [key for key in counter if key[0] < FIRST + timedelta(days=cut)]:
                del counter[time_and_type]

    @invariant()
    def check(self) -> None:
        """Compare rollups plus deltas with the model, and live rollups with the raw rows."""
        for counter, timeframe in self._counters():
            assert self._run(self._read(timeframe)) == counter
        self._verify()
        if not self._run(self._sql.fetchval("SELECT count(*) FROM analytics_aggregation_deltas")):
            assert self._run(self._read_revenue()) == self.revenue
            self._run(self._check_first_sights())
            self._run(self._check_months_in_full())

    def _verify(self) -> None:
        assert self._run(verify(self._database, FIRST, FIRST + timedelta(days=DAYS))).differences == []

    def _counters(self) -> Sequence[tuple[Counter[tuple[datetime, str]], Timeframe]]:
        return ((self.hours, Timeframe.HOUR), (self.days, Timeframe.DAY), (self.months, Timeframe.MONTH))

    async def _write(self, rows: Sequence[Any]) -> None:
        store = make_store(self._database)
        try:
            await store.store(make_batch(rows, claimed_at=NOW))
        finally:
            await store.close()

    async def _read(self, timeframe: Timeframe) -> Counter[tuple[datetime, str]]:
        """Add up what readers do: frozen and live rollups, and deltas, in one snapshot."""
        rows = await self._sql.fetch(
            "SELECT time, event_type, sum(count)::bigint AS count FROM ("
            "SELECT timestamp AS time, event_type, count FROM analytics_aggregations WHERE timeframe = $1 "
            "UNION ALL SELECT date_trunc($1, hour, 'UTC'), event_type, count FROM analytics_aggregation_deltas"
            ") AS part GROUP BY 1, 2 HAVING sum(count) <> 0",
            timeframe.value,
        )
        return Counter({(row["time"], row["event_type"]): row["count"] for row in rows})

    async def _read_revenue(self) -> Decimal:
        total: Decimal = await self._sql.fetchval(
            "SELECT coalesce(sum((metadata #>> '{revenue,EUR}')::numeric), 0) FROM analytics_aggregations "
            "WHERE timeframe = 'month'"
        )
        return total

    async def _check_first_sights(self) -> None:
        users = list(self.first_sights)
        hashed = await self._sql.fetch(
            "SELECT hashtextextended(name, 0) AS actor FROM unnest($1::text[]) WITH ORDINALITY AS listed (name, place) "
            "ORDER BY place",
            users,
        )
        expected = {row["actor"]: self.first_sights[user] for row, user in zip(hashed, users, strict=True)}
        sights = await self._sql.fetch("SELECT actor, first_at FROM analytics_first_sights")
        assert {row["actor"]: row["first_at"] for row in sights} == expected
        counted = await self._sql.fetch("SELECT hour, count FROM analytics_new_actors")
        assert {row["hour"]: row["count"] for row in counted} == Counter(
            map(Timeframe.HOUR.start_of, expected.values())
        )

    async def _check_months_in_full(self) -> None:
        months = Timeframe.MONTH.periods_of(time for time, _ in self.months)
        totals = await sum_rollups(
            self._sql, [TotalsSource(month, Timeframe.MONTH, month, Timeframe.MONTH.end_of(month)) for month in months]
        )
        ranked = {
            (month, name): count
            for (month, _), ranking in totals.rankings.items()
            for name, count in zip(ranking.names, ranking.counts, strict=True)
        }
        assert ranked == +self.contents
        actors = {month: round(estimate(totals.sketches[month].actors)) for month in months}
        assert actors == {month: len(self.users[month]) for month in months}
        expected: dict[datetime, tuple[int, timedelta]] = {}
        for (month, name), moments in self.active.items():
            sessions, length = count_sessions(sorted(moments), is_identified=name.startswith("session"))
            known_sessions, known_length = expected.get(month, (0, timedelta()))
            expected[month] = (known_sessions + sessions, known_length + length)
        for month, (sessions, length) in expected.items():
            figures = estimate_sessions(totals.samples[month])
            assert figures == (sessions, length / timedelta(microseconds=1), True)

    def _die(self, what: str, death: Death, now: datetime, *arguments: str) -> None:
        doomed = [
            sys.executable,
            "-c",
            DOOMED,
            self._url,
            what,
            now.isoformat(),
            *map(str, map(int, death)),
            *arguments,
        ]
        code = subprocess.run(doomed, check=False).returncode
        assert code in (0, -signal.SIGKILL)
        self.happened[f"killed {what}"] += code != 0
        self._run(self._wait_for_sessions())

    async def _wait_for_sessions(self) -> None:
        """Wait until Postgres has noticed the death: until then, what was begun may still be committed."""
        deadline_s = time.monotonic() + SESSION_GONE_S
        while await self._sql.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = ANY ($1)",
            ["analytics rollups", "analytics retention"],
        ):
            assert time.monotonic() < deadline_s, "a dead process keeps its session"
            await asyncio.sleep(0.02)

    async def _on_server(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _run(self, work: Coroutine[Any, Any, AnswerT]) -> AnswerT:
        return self._runner.run(work)


@pytest.mark.slow
@pytest.mark.usefixtures("_template")
def test_rollups_agree_with_all_that_was_ever_stored(postgres_server: str) -> None:
    """In any order, whatever is killed."""
    RollupMachine.server_url = postgres_server
    RollupMachine.happened.clear()
    seed(SEED)(RollupMachine)
    run_state_machine_as_test(
        RollupMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert [name for name in HAPPENINGS if not RollupMachine.happened[name]] == []
