"""Funnels: Postgres, DuckDB and the definition agree about every actor of thousands of histories."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.reports.steps import parse_field, parse_step
from storage.reports.funnel_sql import (
    Exclusion,
    FunnelQuestion,
    StepOrder,
    actors_query,
    overlapping_steps,
    totals_query,
)
from storage.reports.predicates import Query
from tests.oracle.funnel import Attempt, best_attempt
from tests.oracle.history import Happening, make_histories
from tests.oracle.stores import Stores, open_stores

ACTORS = 5_000
START = datetime(2026, 3, 10, tzinfo=UTC)
END = START + timedelta(hours=3)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = [
    START + timedelta(minutes=minutes) + shift * MICROSECOND
    for minutes in range(-30, 300, 30)
    for shift in ((-1, 0, 1) if minutes % 60 == 0 else (0,))
]
"""Half an hour apart, and a microsecond beside the hours: windows of one and two hours are hit exactly and missed."""

STEPS = [
    "view",
    "view:contentType=post",
    "view:contentType=product",
    "engagement",
    "engagement:action=like",
    "engagement:action=share",
    "engagement:metadata.source=feed",
    "purchase",
    "purchase:amount>=20",
]
BREAKDOWNS = ["platform", "metadata.source", "device.os"]
MOST_GROUPS = 3


@pytest.fixture(scope="module")
async def stores(module_database_url: str) -> AsyncIterator[Stores]:
    """Five thousand actors, each with a history of its own."""
    async with open_stores(module_database_url, make_histories(5, ACTORS, moments=MOMENTS, received_at=END)) as opened:
        yield opened


@st.composite
def questions(choose: st.DrawFn) -> FunnelQuestion:
    """Draw a funnel: any order and entry, windows that events hit exactly, exclusions, a breakdown."""
    order = choose(st.sampled_from(StepOrder))
    texts = choose(st.lists(st.sampled_from(STEPS), min_size=2, max_size=4))
    count = len(texts)
    spans = [(first, last) for first in range(count) for last in range(first + 1, count)]
    drawn = st.tuples(st.sampled_from([*STEPS, ":platform=ios"]), st.sampled_from(spans))
    exclusions = [] if order is StepOrder.ANY else choose(st.lists(drawn, max_size=2))
    breakdown = choose(st.none() | st.sampled_from(BREAKDOWNS))
    types = ("view", "engagement", "purchase")
    return FunnelQuestion(
        start=START,
        end=END,
        window=choose(st.sampled_from([HOUR, 2 * HOUR, MICROSECOND, HOUR - MICROSECOND])),
        steps=tuple(parse_step(text, "steps") for text in texts),
        order=order,
        first_only=choose(st.booleans()),
        exclusions=tuple(Exclusion(parse_step(text, "exclusions", any_event=True), *span) for text, span in exclusions),
        breakdown=parse_field(breakdown, "breakdown", types) if breakdown else None,
        open_since=choose(st.sampled_from([START, END - HOUR, END])),
    )


def attempts_of(question: FunnelQuestion, histories: Mapping[str, Sequence[Happening]]) -> dict[str, Attempt]:
    """Ask the oracle about every actor."""
    found = {actor_id: best_attempt(question, history) for actor_id, history in histories.items()}
    return {actor_id: attempt for actor_id, attempt in found.items() if attempt is not None}


def all_actors(question: FunnelQuestion) -> Query:
    """Ask for every actor that entered."""
    return actors_query(question, least=1, most=len(question.steps), after=None, limit=ACTORS)


def read_attempts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Attempt]:
    """Read the rows of `all_actors`."""
    return {
        row["actor_id"]: Attempt(
            times=tuple(row[f"t{step}"].astimezone(UTC) for step in range(1, row["reached"] + 1)),
            value=row["value"],
            is_open=row["is_open"],
        )
        for row in rows
    }


def shortest_difference(
    found: Mapping[str, Attempt], expected: Mapping[str, Attempt], histories: Mapping[str, Sequence[Happening]]
) -> str:
    """Tell the shortest history about which two answers differ; empty where they agree."""
    wrong = [actor_id for actor_id in found.keys() | expected.keys() if found.get(actor_id) != expected.get(actor_id)]
    if not wrong:
        return ""
    actor_id = min(wrong, key=lambda name: (len(histories[name]), name))
    lines = [f"{len(wrong)} actors differ; found {found.get(actor_id)}, expected {expected.get(actor_id)}"]
    lines += [
        f"{event.timestamp:%d %H:%M:%S.%f} {event.sequence} {event.event_id[:4]} {event.event_type} {event.platform} "
        f"{event.data}"
        for event in histories[actor_id]
    ]
    return "\n".join(lines)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=questions())
async def test_the_oracle_agrees_about_every_actor(stores: Stores, question: FunnelQuestion) -> None:
    """Each question is asked about all five thousand histories, in both stores, with the totals on top."""
    if any(len(group) > 3 for group in overlapping_steps(question.steps)):
        return
    expected = attempts_of(question, stores.histories)
    for rows in await stores.ask_both(all_actors(question)):
        assert shortest_difference(read_attempts(rows), expected, stores.histories) == ""
    for rows in await stores.ask_both(totals_query(question, MOST_GROUPS)):
        check_totals(question, rows, list(expected.values()))


MUTATIONS = {
    "a window that excludes its end": ("timestamp <= b1 + $4::interval", "timestamp < b1 + $4::interval"),
    "ties without the sequence": ("ORDER BY timestamp, sequence, event_id", "ORDER BY timestamp, event_id"),
    "one event for two steps": ("AND 1 PRECEDING", "AND CURRENT ROW"),
    "the first start instead of the latest": ("max(s1_1) OVER earlier", "min(s1_1) OVER earlier"),
    "an entry at the end of the range": ("timestamp < $2::timestamptz", "timestamp <= $2::timestamptz"),
    "completions only in range": ("timestamp < $3::timestamptz", "timestamp < least($2::timestamptz, $3::timestamptz)"),
    "an exclusion that is forgotten": ("previous_place >= x1_place", "TRUE"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_oracle_sees_a_change_of_the_statement(stores: Stores, mutation: str) -> None:
    """A comparison, a tie-break, a frame: the histories are sharp enough to tell any of them."""
    question = FunnelQuestion(
        start=START,
        end=END,
        window=HOUR,
        steps=(parse_step("view", ""), parse_step("view:contentType=post", ""), parse_step("purchase", "")),
        order=StepOrder.ORDERED,
        first_only=False,
        exclusions=(Exclusion(parse_step("engagement", ""), 0, 1),),
        breakdown=None,
        open_since=END,
    )
    query = all_actors(question)
    expected = attempts_of(question, stores.histories)
    old, new = MUTATIONS[mutation]
    assert old in query.text
    for rows in await stores.ask_both(query):
        assert shortest_difference(read_attempts(rows), expected, stores.histories) == ""
    for rows in await stores.ask_both(Query(query.text.replace(old, new), query.parameters)):
        assert shortest_difference(read_attempts(rows), expected, stores.histories) != ""


def check_totals(question: FunnelQuestion, rows: Sequence[Mapping[str, Any]], attempts: Sequence[Attempt]) -> None:
    """Compare the totals of all, of the largest groups, and of the others together."""
    sizes = Counter(attempt.value for attempt in attempts)
    largest = sorted(sizes, key=lambda value: (-sizes[value], value))[:MOST_GROUPS]
    places = {value: place for place, value in enumerate(largest, 1)}
    groups: dict[int | None, list[Attempt]] = {None: list(attempts)}
    if question.breakdown is not None:
        for attempt in attempts:
            groups.setdefault(places.get(attempt.value, MOST_GROUPS + 1), []).append(attempt)
    assert [row["place"] for row in rows] == [None, *sorted(place for place in groups if place is not None)]
    for row in rows:
        group = groups[row["place"]]
        if row["place"] in places.values():
            assert {attempt.value for attempt in group} == {row["value"]}
        count = len(question.steps)
        assert row["open_users"] == sum(attempt.is_open and len(attempt.times) < count for attempt in group)
        for step in range(1, count + 1):
            assert row[f"users_{step}"] == sum(len(attempt.times) >= step for attempt in group)
        for step in range(2, count + 1):
            seconds = sorted(
                (attempt.times[step - 1] - attempt.times[step - 2]).total_seconds()
                for attempt in group
                if len(attempt.times) >= step
            )
            figures = [row[f"{name}_{step}"] for name in ("mean", "median", "p90")]
            known = [fmean(seconds), median(seconds), percentile(seconds, 0.9)] if seconds else [None] * 3
            assert figures == [None if figure is None else pytest.approx(figure) for figure in known]


def percentile(values: Sequence[float], fraction: float) -> float:
    """Read a percentile of sorted values, between two of them on the line that joins them."""
    at = fraction * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])
