"""Funnels: the kernel and the definition agree about every actor of thousands of histories."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from statistics import fmean, median
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.funnel import any_order as funnel_any
from reports.funnel import attempts as funnel_attempts
from reports.funnel import question as funnel
from reports.funnel import rows as funnel_rows
from reports.funnel.actors import ACTOR_COLUMNS, ActorChoice, actor_ids, read_funnel_actors
from reports.funnel.attempts import StepFacts
from reports.funnel.question import (
    Exclusion,
    FunnelQuestion,
    FunnelRow,
    StepOrder,
    overlapping_steps,
)
from reports.funnel.rows import find_attempts, group_actors, read_funnel
from reports.moments import to_datetime
from server.reports.steps import parse_field, parse_step
from storage.segments import tables
from tests.event_tables import KNOWN, TableSnapshot, make_table
from tests.oracle.funnel import Attempt, best_attempt
from tests.oracle.history import Happening, make_histories
from tests.oracle.mutants import mutated

ACTORS = 5_000
RANGES = 7
"""Tables that the actors are divided among."""
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
PAGE = 700

Histories = Mapping[str, Sequence[Happening]]


@lru_cache(maxsize=1)
def make_world() -> tuple[Histories, pa.Table]:
    """Make five thousand actors, each with a history of its own, and the table of their events."""
    histories = make_histories(5, ACTORS, moments=MOMENTS, received_at=END)
    return histories, make_events(histories)


def make_events(histories: Histories) -> pa.Table:
    """Make the table of the events of histories."""
    return make_table([event.row() for history in histories.values() for event in history])


@st.composite
def questions(choose: st.DrawFn) -> FunnelQuestion:
    """Draw a funnel: any order and entry, windows that events hit exactly, exclusions, a breakdown."""
    order = choose(st.sampled_from(StepOrder))
    texts = choose(st.lists(st.sampled_from(STEPS), min_size=2, max_size=4))
    count = len(texts)
    spans = [(first, last) for first in range(count) for last in range(first + 1, count)]
    span = st.just((0, count - 1)) if order is StepOrder.ANY else st.sampled_from(spans)
    exclusions = choose(st.lists(st.tuples(st.sampled_from([*STEPS, ":platform=ios"]), span), max_size=2))
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


@lru_cache(maxsize=len(StepOrder) + 1)
def expect_attempts(question: FunnelQuestion) -> dict[str, Attempt]:
    """Ask the oracle about every actor."""
    histories, _ = make_world()
    found = {actor_id: best_attempt(question, history) for actor_id, history in histories.items()}
    return {actor_id: attempt for actor_id, attempt in found.items() if attempt is not None}


async def compute_attempts(question: FunnelQuestion, table: pa.Table) -> dict[str, Attempt]:
    """Ask the kernel about every actor, table by table."""
    found: dict[str, Attempt] = {}
    async for part in TableSnapshot(table, RANGES).by_actor(question.scope(KNOWN, ACTOR_COLUMNS)):
        facts = StepFacts.of(part, question)
        attempts = find_attempts(facts, question)
        group, values = group_actors(part, facts, attempts, question)
        for number, actor_id in enumerate(actor_ids(part, attempts.rows).to_pylist()):
            reached = attempts.reached[number]
            found[actor_id] = Attempt(
                times=tuple(to_datetime(int(taken[number])) for taken in attempts.times[:reached]),
                value=values[group[number]],
                is_open=bool(attempts.is_open[number]),
            )
    return found


def shortest_difference(found: Mapping[str, Attempt], expected: Mapping[str, Attempt], histories: Histories) -> str:
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


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=questions())
async def test_the_oracle_agrees_about_every_actor(question: FunnelQuestion) -> None:
    """Each question is asked about all five thousand histories, in several tables, with the totals on top."""
    if any(len(group) > 3 for group in overlapping_steps(question.steps)):
        return
    histories, table = make_world()
    expected = expect_attempts(question)
    assert shortest_difference(await compute_attempts(question, table), expected, histories) == ""
    rows = await read_funnel(TableSnapshot(table, RANGES), question, most_groups=MOST_GROUPS)
    check_row(question, rows.total, list(expected.values()))
    check_groups(question, rows.groups, list(expected.values()))
    assert rows.as_of == newest_receipt(question, histories)


async def test_pages_list_every_actor_once_by_id() -> None:
    """Those that took a step and those that dropped out before it, with times and groups."""
    histories, table = make_world()
    question = plain_question()
    expected = expect_attempts(question)
    for least, most in ((1, 3), (2, 3), (1, 1)):
        wanted = sorted(name for name, attempt in expected.items() if least <= len(attempt.times) <= most)
        listed: list[Any] = []
        while not listed or len(listed) % PAGE == 0:
            choice = ActorChoice(least, most, listed[-1].actor_id if listed else None, PAGE)
            page = await read_funnel_actors(TableSnapshot(table, RANGES), question, choice)
            assert page.as_of == newest_receipt(question, histories)
            listed += page.actors
        assert [row.actor_id for row in listed] == wanted
        assert [(row.step_times, row.value) for row in listed] == [
            (expected[name].times, expected[name].value) for name in wanted
        ]


MUTATIONS: Mapping[str, tuple[ModuleType, str, str]] = {
    "a window that excludes its end": (
        funnel_attempts,
        "<= question.window // MICROSECOND",
        "< question.window // MICROSECOND",
    ),
    "one event for two steps": (funnel_attempts, "marks[marked + 1] = 1", "marks[marked] = 1"),
    "an earlier start than the latest": (funnel_attempts, "astype(np.int64) - 1", "astype(np.int64) - 2"),
    "the last to get there instead of the first": (
        funnel_attempts,
        "chosen[level.actor[firsts]] = firsts",
        "chosen[level.actor] = np.arange(len(level.actor))",
    ),
    "an entry at the end of the range": (funnel_attempts, "facts.at < to_us", "facts.at <= to_us"),
    "no entry but the first": (funnel_attempts, "if question.first_only", "if True"),
    "entries that stay open too short": (
        funnel_attempts,
        ">= to_us(question.open_since)",
        "> to_us(question.open_since)",
    ),
    "actors that share their steps": (
        funnel_attempts,
        "facts.actor[previous] == facts.actor[rows]",
        "facts.actor[previous] <= facts.actor[rows]",
    ),
    "an exclusion that is forgotten": (funnel_attempts, "if exclusion.from_step < step", "if False and step"),
    "an exclusion that goes on": (funnel_attempts, "< step <= exclusion.to_step", "< step"),
    "an exclusion by the step itself": (funnel_attempts, "last <= previous if", "last < previous if"),
    "an exclusion that a step between escapes": (funnel_attempts, "else last < previous", "else last <= previous"),
    "completions only in range": (funnel, "end=self.end + self.window", "end=self.end"),
    "an empty value that makes a group": (
        funnel_rows,
        'pc.not_equal(texts.dictionary, "")',
        "pc.is_valid(texts.dictionary)",
    ),
}
STRICT_MUTATIONS: Mapping[str, tuple[ModuleType, str, str]] = {
    "other events between": (funnel_attempts, "previous == rows - 1", "previous < rows"),
    "other events that are not read": (funnel_attempts, "is StepOrder.STRICT", "is StepOrder.ORDERED"),
}
ANY_MUTATIONS: Mapping[str, tuple[ModuleType, str, str]] = {
    "a window that excludes its end": (funnel_any, "<= self._window", "< self._window"),
    "one event for two steps": (funnel_any, "if turn > 0", "if turn == 1"),
    "steps that exclude each other": (funnel_any, "size + taken - len(group)", "size"),
    "fewer steps": (funnel_any, "counts = reached == ", "counts = reached <= "),
    "a later finish": (funnel_any, "finished[~counts] = NEVER", "finished[:] = NEVER"),
    "the earliest start": (
        funnel_any,
        "chosen = np.maximum.reduceat(places, entries.firsts)",
        "chosen = np.minimum.reduceat(np.where(counts, places, len(places)), entries.firsts)",
    ),
    "actors that share their steps": (funnel_any, "facts.actor[found] == facts.actor[entries]", "facts.at[found] > 0"),
    "an event after the last one": (funnel_any, "(taken <= last_row) & ", ""),
    "an exclusion that is forgotten": (funnel_any, "if facts.excluded else None", "if False else None"),
    "an exclusion by the first step": (funnel_any, 'entries, "right"', 'entries, "left"'),
    "a value of an event that fits no step": (funnel_rows, "& np.logical_or.reduce(facts.steps)", ""),
    "an exclusion that takes no step": (funnel_any, "taken <= self._excluded", "taken < self._excluded"),
}

BY_ORDER = {StepOrder.ORDERED: MUTATIONS, StepOrder.STRICT: STRICT_MUTATIONS, StepOrder.ANY: ANY_MUTATIONS}


@pytest.mark.parametrize(
    ("order", "name"),
    [(order, name) for order, mutations in BY_ORDER.items() for name in mutations],
)
async def test_the_oracle_sees_a_wrong_variant_of_the_kernel(order: StepOrder, name: str) -> None:
    """A comparison, a tie-break, a missing check: the histories are sharp enough to tell any of them."""
    histories, table = make_world()
    question = plain_question(order)
    expected = expect_attempts(question)
    assert shortest_difference(await compute_attempts(question, table), expected, histories) == ""
    with mutated(*BY_ORDER[order][name]):
        assert shortest_difference(await compute_attempts(question, table), expected, histories) != ""


async def test_the_oracle_sees_ties_that_are_sorted_without_their_sequence() -> None:
    """Events of one microsecond have an order of their own."""
    histories, _ = make_world()
    question = plain_question()
    with mutated(tables, "sequence[rows], ", ""):
        table = make_events(histories)
    assert shortest_difference(await compute_attempts(question, table), expect_attempts(question), histories)


def plain_question(order: StepOrder = StepOrder.ORDERED) -> FunnelQuestion:
    """Ask for three steps, of which the first two overlap, without an event between."""
    exclusions = {
        StepOrder.ORDERED: (("engagement", 0, 1), ("view:platform=ios", 0, 2)),
        StepOrder.STRICT: (),
        StepOrder.ANY: (("engagement:action=share", 0, 2), ("view:contentType=product", 0, 2)),
    }
    breakdown = "platform" if order is StepOrder.ANY else "metadata.source"
    return FunnelQuestion(
        start=START,
        end=END,
        window=HOUR,
        steps=(parse_step("view", ""), parse_step("view:contentType=post", ""), parse_step("purchase", "")),
        order=order,
        first_only=False,
        exclusions=tuple(Exclusion(parse_step(text, ""), *span) for text, *span in exclusions[order]),
        breakdown=parse_field(breakdown, "", ("purchase",)),
        open_since=END - HOUR,
    )


def newest_receipt(question: FunnelQuestion, histories: Histories) -> datetime | None:
    """Find when the newest event that may count was received."""
    types = question.event_types
    return max(
        (
            event.received_at
            for history in histories.values()
            for event in history
            if question.start <= event.timestamp < question.end + question.window
            if types is None or event.event_type in types
        ),
        default=None,
    )


def check_groups(question: FunnelQuestion, rows: Sequence[FunnelRow], attempts: Sequence[Attempt]) -> None:
    """Compare the largest groups, and the others together."""
    if question.breakdown is None:
        assert rows == []
        return
    sizes = Counter(attempt.value for attempt in attempts)
    largest = sorted(sizes, key=lambda value: (-sizes[value], value))
    listed: list[str | None] = [*largest[:MOST_GROUPS]]
    assert [row.value for row in rows] == listed + [None] * (len(largest) > MOST_GROUPS)
    for row in rows:
        check_row(
            question,
            row,
            [attempt for attempt in attempts if (attempt.value if attempt.value in listed else None) == row.value],
        )


def check_row(question: FunnelQuestion, row: FunnelRow, attempts: Sequence[Attempt]) -> None:
    """Compare a funnel with the attempts of its actors."""
    count = len(question.steps)
    assert row.open_users == sum(attempt.is_open and len(attempt.times) < count for attempt in attempts)
    for number, step in enumerate(row.steps):
        assert step.users == sum(len(attempt.times) > number for attempt in attempts)
        seconds = sorted(
            (attempt.times[number] - attempt.times[number - 1]).total_seconds()
            for attempt in attempts
            if len(attempt.times) > number > 0
        )
        figures = [step.mean_seconds, step.median_seconds, step.p90_seconds]
        known = [fmean(seconds), median(seconds), percentile(seconds, 0.9)] if seconds else [None] * 3
        assert figures == [None if figure is None else pytest.approx(figure) for figure in known]


def percentile(values: Sequence[float], fraction: float) -> float:
    """Read a percentile of sorted values, between two of them on the line that joins them."""
    at = fraction * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])
