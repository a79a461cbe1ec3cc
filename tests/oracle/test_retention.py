"""Retention and cohorts: the kernels and the definitions agree about thousands of histories."""

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import cohort as cohort_kernel
from reports import retention as retention_kernel
from reports import runs
from reports.cohort import CohortQuestion, read_cohorts
from reports.retention import Entry, RetentionQuestion, read_retention
from server.reports.periods import Calendar, Length
from server.reports.steps import parse_step
from storage.segments.snapshot import EventSnapshot
from tests.event_tables import TableSnapshot, make_table
from tests.oracle.history import Happening, make_histories
from tests.oracle.matching import matches
from tests.oracle.mutants import mutated
from tests.oracle.retention import Entering, cohorts, retention

Histories = Mapping[str, Sequence[Happening]]

ACTORS = 5_000
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
ZONES = ("UTC", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu")
FIRST = datetime(2026, 3, 6, tzinfo=UTC)
LAST = datetime(2026, 4, 29, tzinfo=UTC)
"""New York, Cairo and Lord Howe change their clocks in between, and two months end."""


def _sharp_moments() -> list[datetime]:
    """Make the moments at which events happen: midnights of every zone, and what lies around them."""
    moments = []
    for day in ("2026-03-07", "2026-03-08", "2026-03-09", "2026-03-31", "2026-04-01", "2026-04-05", "2026-04-24"):
        for zone in ZONES:
            midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            moments += [midnight - MICROSECOND, midnight, midnight + timedelta(hours=24) - MICROSECOND]
            moments += [midnight + timedelta(hours=24), midnight + timedelta(hours=23)]
    return moments + [FIRST + number * timedelta(hours=36) for number in range(36)]


STEPS = ["", "view", "view:contentType=post", "engagement:action=like", "purchase", "purchase:amount>=20"]


@lru_cache(maxsize=1)
def make_world() -> tuple[Histories, pa.Table]:
    """Make five thousand actors, each with a history of its own, and the table of their events."""
    chance = random.Random(8)  # noqa: S311 - the same in each run
    histories = {
        actor_id: [replace(event, received_at=LAST + chance.random() * DAY) for event in history]
        for actor_id, history in make_histories(7, ACTORS, moments=_sharp_moments(), received_at=LAST).items()
    }
    return histories, make_table([event.row() for history in histories.values() for event in history])


@pytest.fixture(params=["one table", "many tables"])
def snapshot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EventSnapshot:
    """The events of all actors: in one table, or in ranges of actors, worked on in small portions."""
    _, table = make_world()
    if request.param == "one table":
        return TableSnapshot(table, 1)
    monkeypatch.setattr(runs, "ROWS_AT_ONCE", 50)
    return TableSnapshot(table, 7)


def bounds_of(choose: st.DrawFn, start: datetime) -> tuple[datetime, ...]:
    """Draw periods of a calendar."""
    length = choose(st.sampled_from([Length.HOUR, Length.DAY, Length.DAY, Length.WEEK, Length.MONTH]))
    calendar = Calendar(length, ZoneInfo(choose(st.sampled_from(ZONES))), choose(st.sampled_from([0, 6])))
    count = {Length.HOUR: 200, Length.DAY: 60, Length.WEEK: 9, Length.MONTH: 3}[length]
    return tuple(calendar.starts(start, choose(st.integers(2, count))))


def ranges(choose: st.DrawFn) -> tuple[datetime, datetime]:
    """Draw a range whose ends events hit."""
    moments = sorted(set(_sharp_moments()))
    first, last = sorted(choose(st.lists(st.sampled_from(moments), min_size=2, max_size=2, unique=True)))
    return first, last


@st.composite
def retentions(choose: st.DrawFn) -> RetentionQuestion:
    """Draw a retention: any entry, calendar or rolling periods, cells of every kind."""
    start, end = ranges(choose)
    bounds = bounds_of(choose, start)
    periods = len(bounds)
    kinds: list[tuple[int | None, ...]] = [tuple(range(1, periods + 1)), (1, None, 2, 2), (None, 1, 1, 1, 3)]
    cells = choose(st.sampled_from(kinds))
    return RetentionQuestion(
        start=start,
        end=min(end, bounds[-1]),
        entry_step=parse_step(choose(st.sampled_from(STEPS)), "", any_event=True),
        return_step=parse_step(choose(st.sampled_from(STEPS)), "", any_event=True),
        entry=choose(st.sampled_from(Entry)),
        bounds=bounds,
        rolling=choose(st.sampled_from([None, None, DAY, 7 * DAY])),
        cells=cells,
        on_or_after=cells == kinds[0] and choose(st.booleans()),
    )


@lru_cache(maxsize=64)
def expected_of(question: RetentionQuestion) -> tuple[dict[tuple[int, int], int], datetime | None]:
    """Ask the oracle; where events past the last bound are not read, neither does it see them."""
    histories, _ = make_world()
    seen = {
        actor_id: [event for event in history if event.timestamp < question.read_end]
        for actor_id, history in histories.items()
    }
    entering = Entering(
        start=question.start,
        end=question.end,
        enters=lambda event: matches(question.entry_step, event),
        returns=lambda event: matches(question.return_step, event),
        way=question.entry.value,
    )
    counts, as_of = retention(entering, seen, question.bounds, question.rolling, lambda period: fills(question, period))
    return dict(counts), as_of


def fills(question: RetentionQuestion, period: int) -> Collection[int]:
    """List the cells that a return in a period fills."""
    if question.on_or_after:
        return range(1, min(period, len(question.cells)) + 1)
    cell = question.cells[period - 1] if period <= len(question.cells) else None
    return [] if cell is None else [cell]


def counted(snapshot: EventSnapshot, question: RetentionQuestion) -> tuple[dict[tuple[int, int], int], datetime | None]:
    """Ask the kernel."""
    counts = asyncio.run(read_retention(snapshot, question))
    places = zip(*np.nonzero(counts.users), strict=True)
    found = {(int(cohort) + 1, int(cell)): int(counts.users[cohort, cell]) for cohort, cell in places}
    return found, counts.as_of


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=retentions())
def test_retention_is_what_the_oracle_counts(snapshot: EventSnapshot, question: RetentionQuestion) -> None:
    """Each question is asked about all five thousand histories."""
    assert counted(snapshot, question) == expected_of(question)


DAYS = tuple(Calendar(Length.DAY, ZoneInfo("UTC")).starts(FIRST + DAY, 40))
RETENTION = RetentionQuestion(
    start=DAYS[0],
    end=datetime(2026, 4, 5, tzinfo=UTC),
    entry_step=parse_step("view", ""),
    return_step=parse_step("engagement", ""),
    entry=Entry.FIRST_EVER,
    bounds=DAYS,
    rolling=None,
    cells=tuple(range(1, 41)),
    on_or_after=False,
)
RECURRING = replace(RETENTION, entry=Entry.RECURRING)
IN_RANGE = replace(RETENTION, entry=Entry.FIRST_IN_RANGE)
ROLLING = replace(RETENTION, rolling=DAY, cells=tuple(range(1, 8)))
BRACKETS = replace(RETENTION, cells=(1, None, 2, 2))
OR_AFTER = replace(RETENTION, on_or_after=True)
LATE = replace(RETENTION, start=DAYS[28], bounds=DAYS[28:])

RETENTION_MUTANTS = {
    "a range that holds its end": (RETENTION, "self._at < to_us", "self._at <= to_us"),
    "a range without its first moment": (IN_RANGE, " & (at >= self._start)", " & (at > self._start)"),
    "a first entry before the range": (RETENTION, " & (at >= self._start)", ""),
    "any entry instead of the first": (RETENTION, "return starts_run(actor)", "return ends_run(actor)"),
    "one entry of an actor": (RECURRING, "starts_run(actor, self._periods.of(at))", "starts_run(actor)"),
    "all entries of a period": (RECURRING, "starts_run(actor, self._periods.of(at))", "starts_run(actor, at)"),
    "the last entry of a period": (
        replace(RECURRING, rolling=DAY),
        "starts_run(actor, self._periods.of(at))",
        "ends_run(actor, self._periods.of(at))",
    ),
    "no return in the next period": (RETENTION, "later = mark > since", "later = mark - 1 > since"),
    "returns that fill the cell after": (RETENTION, "(None, *question", "(None, None, *question"),
    "returns in the period of the entry": (ROLLING, "(None, *question", "(1, *question"),
    "a return in each period of a bracket": (BRACKETS, "ends_run(by, cell)", "ends_run(by, mark[filled])"),
    "returns past the last cell": (BRACKETS, "else None", "else 1"),
    "periods a microsecond longer": (ROLLING, "question.rolling // MICROSECOND", "question.rolling // MICROSECOND + 1"),
    "the first return instead of the last": (OR_AFTER, "ends_run(by) if", "starts_run(by) if"),
    "a return on or before": (OR_AFTER, ".cumsum(axis=1)[:, ::-1]", ".cumsum(axis=1)"),
    "an age of those who never entered": (LATE, " & self._has_entered[self._actor[newer]]", ""),
    "an age by another receipt": (RETENTION, "> self._as_of_us)", "< self._as_of_us)"),
}


@pytest.mark.parametrize("mutant", RETENTION_MUTANTS)
def test_the_oracle_sees_a_change_of_the_retention(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison, a bound, a place in the row of cells."""
    monkeypatch.setattr(runs, "ROWS_AT_ONCE", 1_000)
    question, *change = RETENTION_MUTANTS[mutant]
    snapshot = TableSnapshot(make_world()[1], 1)
    expected = expected_of(question)
    assert counted(snapshot, question) == expected
    with mutated(retention_kernel, *change):
        assert counted(snapshot, question) != expected


@st.composite
def cohort_questions(choose: st.DrawFn) -> CohortQuestion:
    """Draw cohorts of any zone, length and joining event."""
    start, end = ranges(choose)
    bounds = bounds_of(choose, start)
    step = parse_step(choose(st.sampled_from(STEPS)), "", any_event=True)
    return CohortQuestion(start, min(end, bounds[-1]), step, bounds)


Figures = dict[tuple[int, int], tuple[int, int, dict[str, tuple[Decimal, int]]]]
"""Users, events and revenue by cohort and period."""


@lru_cache(maxsize=64)
def expected_cohorts(question: CohortQuestion) -> tuple[Figures, datetime | None]:
    """Ask the oracle."""
    found = cohorts(
        make_world()[0],
        lambda event: matches(question.step, event),
        question.start,
        question.end,
        question.bounds,
    )
    received_at = [moment for doing in found.values() for moment in doing.received_at]
    figures = {key: (len(doing.actors), doing.events, doing.revenue) for key, doing in found.items()}
    return figures, max(received_at, default=None)


def summed(snapshot: EventSnapshot, question: CohortQuestion) -> tuple[Figures, datetime | None]:
    """Ask the kernel."""
    sums = asyncio.run(read_cohorts(snapshot, question))
    found: Figures = {}
    for cohort, period in zip(*np.nonzero(sums.users + sums.events), strict=True):
        key = int(cohort) + 1, int(period) + 1
        found[key] = int(sums.users[cohort, period]), int(sums.events[cohort, period]), {}
    for (cohort, period), by_currency in sums.revenue.items():
        found[cohort + 1, period + 1][2].update(
            {currency: (revenue.amount, revenue.orders) for currency, revenue in by_currency.items()}
        )
    return found, sums.as_of


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=cohort_questions())
def test_cohorts_are_what_the_oracle_sums(snapshot: EventSnapshot, question: CohortQuestion) -> None:
    """Users, events and exact revenue of every period."""
    assert summed(snapshot, question) == expected_cohorts(question)


COHORT_MUTANTS = {
    "members that joined before the range": (" & (at >= self._start)", ""),
    "a range without its first moment": ("(at >= self._start)", "(at > self._start)"),
    "what they did before they joined": (
        "self._at[rows] >= self._joined_at",
        "NEVER > self._joined_at",
    ),
    "without the event by which they joined": ("self._at[rows] >= self", "self._at[rows] > self"),
    "the last joining event instead of the first": ("first = starts_run(actor)", "first = ~starts_run(actor)"),
    "one user of a period": ("place[starts_run(actor, place)]", "place[starts_run(place)]"),
    "a user again with each event": ("place[starts_run(actor, place)]", "self._cohort[actor[:0]]"),
    "revenue of other events": ("self._buys[done]", "~self._buys[done]"),
    "orders as amounts": ("Revenue(amount or Decimal(0)", "Revenue(Decimal(count)"),
    "an age by the earliest receipt": (
        "self._received_at[done].max(initial=-1)",
        "self._received_at[done].min(initial=0)",
    ),
}


@pytest.mark.parametrize("mutant", COHORT_MUTANTS)
def test_the_oracle_sees_a_change_of_the_cohorts(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison, or a condition that is lost."""
    monkeypatch.setattr(runs, "ROWS_AT_ONCE", 1_000)
    bounds = tuple(Calendar(Length.WEEK, ZoneInfo("UTC")).starts(FIRST + DAY, 9))
    question = CohortQuestion(
        datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 4, 24, tzinfo=UTC), parse_step("purchase", ""), bounds
    )
    snapshot = TableSnapshot(make_world()[1], 1)
    expected = expected_cohorts(question)
    assert summed(snapshot, question) == expected
    with mutated(cohort_kernel, *COHORT_MUTANTS[mutant]):
        assert summed(snapshot, question) != expected
