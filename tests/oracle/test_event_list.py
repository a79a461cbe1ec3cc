"""The event list: Postgres, DuckDB and the definition agree about what a page holds and what comes after it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.reports.steps import parse_step
from storage.postgres.database import Database
from storage.postgres.reader import Reader
from storage.reports.event_list_rows import EventCursor, EventFilter, read_event_page, slice_query
from storage.reports.predicates import Query
from tests.oracle.history import Happening, make_histories
from tests.oracle.matching import matches
from tests.oracle.stores import Stores, open_stores

ACTORS = 5_000
SEED = 11
START = datetime(2026, 3, 10, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = [
    START + timedelta(minutes=minutes) + shift * MICROSECOND for minutes in range(0, 360, 7) for shift in (-1, 0, 1)
]
"""Few for so many events: ties by the hundred, and a microsecond before and after the ends of ranges and slices."""
STEPS = ("", "view", "purchase:amount>=20", ":platform=ios", "engagement:metadata.source exists", "view:device.os=iOS")


@dataclass(frozen=True)
class Question:
    """A page: its range, its filters, the event behind which it begins, and how long it is at most."""

    start: datetime
    end: datetime
    only: EventFilter
    after: EventCursor | None
    limit: int


@pytest.fixture(scope="module")
async def stores(module_database_url: str) -> AsyncIterator[Stores]:
    """Five thousand actors, each with a history of its own."""
    histories = make_histories(SEED, ACTORS, moments=MOMENTS, received_at=START + timedelta(days=1))
    async with open_stores(module_database_url, histories) as opened:
        yield opened


@pytest.fixture(scope="module")
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """The same database, as the service opens it."""
    opened = await Database.open(module_database_url)
    yield opened
    await opened.close()


@st.composite
def questions(choose: st.DrawFn) -> Question:
    """Draw a page: filters of all kinds, and a cursor that is an event, or lies beside one."""
    start, end = sorted(choose(st.lists(st.sampled_from(MOMENTS), min_size=2, max_size=2, unique=True)))
    actor = f"actor-{SEED}-{choose(st.integers(0, ACTORS - 1)):05}"
    return Question(
        start=start,
        end=end,
        only=EventFilter(
            event_type=choose(st.sampled_from([None, None, "view", "purchase"])),
            user_id=choose(st.sampled_from([None, None, None, actor])),
            session_id=choose(st.sampled_from([None, None, None, actor])),
            pattern=parse_step(choose(st.sampled_from(STEPS)), "filter", any_event=True),
        ),
        after=choose(
            st.none()
            | st.builds(EventCursor, st.sampled_from(MOMENTS), st.integers(0, 1), st.uuids(version=4).map(str))
        ),
        limit=choose(st.sampled_from([1, 7, 1_000, 50_000])),
    )


def page_of(question: Question, events: list[Happening]) -> list[str]:
    """Read a page off its definition: the ids of its events."""
    only, after = question.only, question.after
    found = [
        event
        for event in events
        if question.start <= event.timestamp < question.end
        and only.event_type in (None, event.event_type)
        and only.user_id in (None, event.actor_id if event.signed_in else "")
        and only.session_id in (None, "" if event.signed_in else event.actor_id)
        and matches(only.pattern, event)
        and (after is None or event.order < (after.timestamp, after.sequence, after.event_id))
    ]
    found.sort(key=lambda event: event.order, reverse=True)
    return [event.event_id for event in found[: question.limit]]


def asked(question: Question) -> Query:
    """Write the statement of a page that is one slice."""
    return slice_query(question.start, question.end, question.only, question.after, question.limit)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=questions())
async def test_a_page_is_what_the_oracle_lists(stores: Stores, database: Database, question: Question) -> None:
    """The one statement in both stores, and the slices that the service reads."""
    expected = page_of(question, stores.events)
    for rows in await stores.ask_both(asked(question)):
        assert [str(row["event_id"]) for row in rows] == expected
    async with Reader(database).snapshot(30) as snapshot:
        records = await read_event_page(
            snapshot,
            start=question.start,
            end=question.end,
            only=question.only,
            after=question.after,
            limit=question.limit,
        )
    assert [record.event_id for record in records] == expected


MUTATIONS = {
    "a range that holds its end": (r"timestamp < \$2", "timestamp <= $2"),
    "a range without its start": (r"timestamp >= \$1", "timestamp > $1"),
    "the last event of the page before once more": (r"event_id\) < \(", "event_id) <= ("),
    "ties without the sequence": ("timestamp DESC, sequence DESC, event_id DESC", "timestamp DESC, event_id DESC"),
    "the oldest first": ("ORDER BY timestamp DESC", "ORDER BY timestamp"),
    "a filter that is forgotten": (r"event_type = (\$10::text)", r"\1 IS NOT NULL"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_oracle_sees_a_change_of_the_statement(stores: Stores, mutation: str) -> None:
    """A comparison, a tie-break, a condition that is lost."""
    start, end = MOMENTS[30], MOMENTS[90]
    inside = sorted((event for event in stores.events if start <= event.timestamp < end), key=lambda event: event.order)
    last = next(event for event in reversed(inside[:-50]) if event.event_type == "view")
    after = EventCursor(last.timestamp, last.sequence, last.event_id)
    only = EventFilter(pattern=parse_step("view", "filter"))
    seen = False
    for cursor in (None, after):
        question = Question(start, end, only, cursor, 50_000)
        query, expected = asked(question), page_of(question, stores.events)
        mutated, times = re.subn(*MUTATIONS[mutation], query.text)
        assert times, query.text
        for rows in await stores.ask_both(query):
            assert [str(row["event_id"]) for row in rows] == expected
        answers = await stores.ask_both(Query(mutated, query.parameters))
        seen |= all([str(row["event_id"]) for row in rows] != expected for rows in answers)
    assert seen
