"""Retention and cohorts: Postgres, DuckDB and the definitions agree about thousands of histories."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.reports.periods import Calendar, Length
from server.reports.steps import parse_step
from storage.reports.cohort_rows import read_periods
from storage.reports.cohort_sql import CohortQuestion, cohort_query
from storage.reports.predicates import Query
from storage.reports.retention_sql import Entry, RetentionQuestion, retention_query
from tests.oracle.history import make_histories
from tests.oracle.matching import matches
from tests.oracle.retention import Entering, cohorts, retention
from tests.oracle.stores import Stores, open_stores

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


@pytest.fixture(scope="module")
async def stores(module_database_url: str) -> AsyncIterator[Stores]:
    """Five thousand actors, each with a history of its own."""
    histories = make_histories(7, ACTORS, moments=_sharp_moments(), received_at=LAST)
    async with open_stores(module_database_url, histories) as opened:
        yield opened


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
    return RetentionQuestion(
        start=start,
        end=min(end, bounds[-1]),
        entry_step=parse_step(choose(st.sampled_from(STEPS)), "", any_event=True),
        return_step=parse_step(choose(st.sampled_from(STEPS)), "", any_event=True),
        entry=choose(st.sampled_from(Entry)),
        bounds=bounds,
        rolling=choose(st.sampled_from([None, None, DAY, 7 * DAY])),
        cells=choose(st.sampled_from(kinds)),
        on_or_after=choose(st.booleans()),
    )


def expected_of(question: RetentionQuestion, stores: Stores) -> Counter[tuple[int, int]]:
    """Ask the oracle; where events past the last bound are not read, neither does it see them."""
    end = question.returns_end
    histories = {
        actor_id: [event for event in history if event.timestamp < max(end, question.end)]
        for actor_id, history in stores.histories.items()
    }
    entering = Entering(
        start=question.start,
        end=question.end,
        enters=lambda event: matches(question.entry_step, event),
        returns=lambda event: matches(question.return_step, event),
        way=question.entry.value,
    )
    return retention(entering, histories, question.bounds, question.rolling, _fills(question))


def _fills(question: RetentionQuestion) -> Callable[[int], int | None] | None:
    if question.on_or_after:
        return None
    return lambda period: question.cells[period - 1] if period <= len(question.cells) else None


def found_in(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], int]:
    """Read the rows of a retention."""
    return {(row["cohort"], row["cell"]): row["users"] for row in rows}


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=retentions())
async def test_retention_is_what_the_oracle_counts(stores: Stores, question: RetentionQuestion) -> None:
    """Each question is asked about all five thousand histories, in both stores."""
    if question.start >= question.end:
        return
    expected = expected_of(question, stores)
    for rows in await stores.ask_both(retention_query(question)):
        assert found_in(rows) == expected


RETENTION_MUTATIONS = {
    "a range that holds its end": (r"timestamp < (\S+) AS enters", r"timestamp <= \1 AS enters"),
    "a first entry before the range": (r"HAVING min\(entered_at\) >= \S+", "HAVING min(entered_at) IS NOT NULL"),
    "the last entry instead of the first": (r"min\(entered_at\) AS entries", "max(entered_at) AS entries"),
    "no return in the next period": ("WHERE mark > cohort", "WHERE mark > cohort + 1"),
    "returns that fill the cell after": (r"\[mark - cohort\]", "[mark - cohort + 1]"),
}


@pytest.mark.parametrize("mutation", RETENTION_MUTATIONS)
async def test_the_oracle_sees_a_change_of_the_retention(stores: Stores, mutation: str) -> None:
    """A comparison, a bound, a place in the row of cells."""
    bounds = tuple(Calendar(Length.DAY, ZoneInfo("UTC")).starts(FIRST + DAY, 40))
    question = RetentionQuestion(
        start=bounds[0],
        end=datetime(2026, 4, 5, tzinfo=UTC),
        entry_step=parse_step("view", ""),
        return_step=parse_step("engagement", ""),
        entry=Entry.FIRST_EVER,
        bounds=bounds,
        rolling=None,
        cells=tuple(range(1, 41)),
        on_or_after=False,
    )
    query = retention_query(question)
    mutated, times = re.subn(*RETENTION_MUTATIONS[mutation], query.text)
    assert times
    expected = expected_of(question, stores)
    for rows in await stores.ask_both(query):
        assert found_in(rows) == expected
    for rows in await stores.ask_both(Query(mutated, query.parameters)):
        assert found_in(rows) != expected


@st.composite
def cohort_questions(choose: st.DrawFn) -> CohortQuestion:
    """Draw cohorts of any zone, length and joining event."""
    start, end = ranges(choose)
    bounds = bounds_of(choose, start)
    return CohortQuestion(start, end, parse_step(choose(st.sampled_from(STEPS)), "", any_event=True), bounds)


def expected_cohorts(question: CohortQuestion, stores: Stores) -> dict[tuple[int, int], tuple[int, int, Any]]:
    """Ask the oracle."""
    found = cohorts(
        stores.histories,
        lambda event: matches(question.step, event),
        question.start,
        question.end,
        question.bounds,
    )
    return {key: (len(doing.actors), doing.events, doing.revenue) for key, doing in found.items()}


def found_cohorts(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], tuple[int, int, Any]]:
    """Read the rows of cohorts."""
    return {
        key: (
            row.users,
            row.events,
            {name: (Decimal(amount).normalize() + 0, orders) for name, (amount, orders) in row.revenue.items()},
        )
        for key, row in read_periods(rows).items()
    }


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=cohort_questions())
async def test_cohorts_are_what_the_oracle_sums(stores: Stores, question: CohortQuestion) -> None:
    """Users, events and exact revenue of every period, in both stores."""
    expected = expected_cohorts(question, stores)
    for rows in await stores.ask_both(cohort_query(question)):
        assert found_cohorts(rows) == expected


COHORT_MUTATIONS = {
    "members that joined before the range": (r"joined_at >= \$", "joined_at IS NOT NULL OR joined_at >= $"),
    "what they did before they joined": (
        r"ORDER BY timestamp\)",
        "ORDER BY timestamp RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
    ),
    "without what came with the event by which they joined": (
        r"min\(joining_at\) OVER so_far",
        "min(joining_at) OVER (PARTITION BY actor_hash, actor_id ORDER BY timestamp ROWS UNBOUNDED PRECEDING)",
    ),
    "no user whose last event before was no member's": (r"previous_at >= joined_at AND ", ""),
    "a user again with the first moment of a period": (r"previous_at >= \(", "previous_at > ("),
    "a range that holds its end": (r"WHERE timestamp < \$", "WHERE timestamp <= $"),
}


@pytest.mark.parametrize("mutation", COHORT_MUTATIONS)
async def test_the_oracle_sees_a_change_of_the_cohorts(stores: Stores, mutation: str) -> None:
    """A comparison, or a condition that is lost."""
    bounds = tuple(Calendar(Length.WEEK, ZoneInfo("UTC")).starts(FIRST + DAY, 9))
    question = CohortQuestion(
        datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 4, 24, tzinfo=UTC), parse_step("purchase", ""), bounds
    )
    query = cohort_query(question)
    mutated, times = re.subn(*COHORT_MUTATIONS[mutation], query.text)
    assert times
    expected = expected_cohorts(question, stores)
    for rows in await stores.ask_both(query):
        assert found_cohorts(rows) == expected
    for rows in await stores.ask_both(Query(mutated, query.parameters)):
        assert found_cohorts(rows) != expected
