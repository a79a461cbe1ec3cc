"""The funnel's kernel where histories of a few events do not lead: no events, many, and all kinds of actors."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from reports.funnel.actors import ActorChoice, read_funnel_actors
from reports.funnel.attempts import StepFacts
from reports.funnel.question import FunnelQuestion, FunnelRow, FunnelRows, StepOrder, StepRow
from reports.funnel.rows import find_attempts, read_funnel
from reports.moments import to_us
from reports.runs import ROWS_AT_ONCE
from server.reports.steps import parse_step
from storage.segments.schema import INSTANT
from storage.write.batch import COLUMNS
from tests.event_tables import TableSnapshot, make_table
from tests.rows import NOON, make_row

HOUR = timedelta(hours=1)
START, END = NOON, NOON + 3 * HOUR
RANGES = 7
"""Tables that the actors are divided among."""


def make_question(order: StepOrder = StepOrder.ORDERED) -> FunnelQuestion:
    """Ask for two views and a purchase within an hour."""
    return FunnelQuestion(
        start=START,
        end=END,
        window=HOUR,
        steps=(parse_step("view", ""), parse_step("view", ""), parse_step("purchase", "")),
        order=order,
        first_only=False,
        exclusions=(),
        breakdown=None,
        open_since=END,
    )


async def test_pages_are_ordered_by_code_point_whoever_the_actors_are() -> None:
    """Users, sessions, events of nobody, and actors that are known by another id."""
    rows = [
        make_row(timestamp=START, user_id=name, session_id=None)
        for name in ("b", "Z", "é", "\U0001d49c", "\uffff", "a" * 99)
    ]
    rows += [make_row(timestamp=START, user_id=None, session_id=name) for name in ("0-session", "session")]
    rows += [make_row(timestamp=START, user_id=None, session_id=None) for _ in range(5)]
    rows += [make_row(timestamp=START, actor_id="another")]
    question = make_question()
    snapshot = TableSnapshot(make_table(rows), RANGES)
    expected = sorted(row[COLUMNS.index("actor_id")] for row in rows)
    listed: list[str] = []
    for _ in expected:
        choice = ActorChoice(1, 3, listed[-1] if listed else None, 1)
        listed += [row.actor_id for row in (await read_funnel_actors(snapshot, question, choice)).actors]
    assert listed == expected


async def test_actors_that_are_all_known_by_their_events_alone_are_listed() -> None:
    """Their table has no column of users or sessions."""
    rows = [make_row(timestamp=START, user_id=None, session_id=None) for _ in range(3)]
    page = await read_funnel_actors(TableSnapshot(make_table(rows), 1), make_question(), ActorChoice(1, 3, None, 10))
    assert [row.actor_id for row in page.actors] == sorted(row[0] for row in rows)


@pytest.mark.parametrize("order", StepOrder)
async def test_a_range_without_entries_has_a_funnel_of_nobody(order: StepOrder) -> None:
    """Whether there are no events, or none that fits a step; figures of seconds are missing then."""
    question = make_question(order)
    for rows, as_of in (
        ([make_row(timestamp=END + 2 * HOUR)], None),
        ([make_row(timestamp=END, received_at=END)], END),
        ([make_row(timestamp=START, event_type="session", event_data="{}", received_at=END)], END),
    ):
        snapshot = TableSnapshot(make_table(rows), 1)
        found = await read_funnel(snapshot, question, most_groups=25)
        counts_type = order is StepOrder.STRICT or rows[0][COLUMNS.index("event_type")] == "view"
        assert found == FunnelRows(FunnelRow("", 0, (StepRow(0),) * 3), [], as_of if counts_type else None)
        page = await read_funnel_actors(snapshot, question, ActorChoice(1, 3, None, 10))
        assert not page.actors


def test_one_busy_actor_is_no_different() -> None:
    """More events than are looked at together: the last start counts, and the first end."""
    count = 3 * ROWS_AT_ONCE
    at = to_us(START) + np.arange(count) * 10_000
    types = pa.DictionaryArray.from_arrays(
        pa.array(np.arange(count) % 1_000 == 999).cast(pa.int32()), ["view", "purchase"]
    )
    table = pa.table(
        {
            "actor_hash": pa.array(np.full(count, 7)),
            "timestamp": pa.array(at).cast(INSTANT),
            "received_at": pa.array(at).cast(INSTANT),
            "event_type": types,
        }
    )
    steps = tuple(parse_step(text, "") for text in ("view", "purchase", "purchase"))
    for order, places in ((StepOrder.ORDERED, (998, 999, 1999)), (StepOrder.ANY, (999, 1000, 1999))):
        question = replace(make_question(order), steps=steps)
        attempts = find_attempts(StepFacts.of(table, question), question)
        assert [taken.tolist() for taken in attempts.times] == [[at[place]] for place in places]
