"""The event list: blocks and segments hold what the definition says about a page and what comes after it."""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.events import page as event_list
from reports.events import read_ahead as event_pages
from reports.events.page import EventCursor, EventFilter, EventRecord, PageQuestion
from reports.events.read_ahead import EventPages
from server.reports.steps import parse_step
from storage.postgres.database import Database
from storage.segments import files
from storage.segments.snapshot import EventReader
from storage.segments.store import SegmentStore
from storage.write.batch import COLUMNS
from tests.event_tables import KNOWN
from tests.oracle.history import Happening, make_histories
from tests.oracle.matching import matches
from tests.oracle.mutants import mutated
from tests.rows import ACTORS as PSEUDONYMS
from tests.rows import make_batch, make_store

ACTORS = 5_000
SEED = 11
START = datetime(2026, 3, 10, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOMENTS = [
    START + timedelta(minutes=minutes) + shift * MICROSECOND for minutes in range(0, 360, 7) for shift in (-1, 0, 1)
]
"""Few for so many events: ties by the hundred, and a microsecond before and after the ends of ranges."""
STEPS = ("", "view", "purchase:amount>=20", ":platform=ios", "engagement:metadata.source exists", "view:device.os=iOS")
BLOCK_ROWS = 500
SEALED_BLOCKS = 6
"""Blocks in a segment; a third of all blocks stay as they are."""
GROUP_ROWS = 400


class World:
    """The same events twice: for an oracle, and stored.

    No dataclass: hypothesis would write thousands of events into its report.
    """

    def __init__(self, events: Sequence[Happening], reader: EventReader) -> None:
        self.events = events
        self.reader = reader

    async def ask(self, question: PageQuestion, pages: EventPages | None = None) -> list[EventRecord]:
        """Read a page, by default without anything that is remembered."""
        async with self.reader.snapshot(60) as snapshot:
            return await (pages or EventPages(PSEUDONYMS.of)).read(snapshot, question)

    def expect(self, question: PageQuestion) -> list[str]:
        """Read a page off its definition: the ids of its events."""
        only, after = question.only, question.after
        found = [
            event
            for event in self.events
            if question.start <= event.timestamp < question.end
            and only.event_type in (None, event.event_type)
            and only.user_id in (None, event.actor_id if event.signed_in else "")
            and only.session_id in (None, "" if event.signed_in else event.actor_id)
            and matches(only.pattern, event)
            and (after is None or event.order < (after.timestamp, after.sequence, after.event_id))
        ]
        found.sort(key=lambda event: event.order, reverse=True)
        return [event.event_id for event in found[: question.limit]]


@pytest.fixture(scope="module")
def _small_groups() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "ROWS_PER_GROUP", GROUP_ROWS)
        yield


@pytest.fixture(scope="module")
async def world(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, _small_groups: None
) -> AsyncIterator[World]:
    """Five thousand actors, each with a history of its own: in segments of a time each, and in blocks of any."""
    histories = make_histories(SEED, ACTORS, moments=MOMENTS, received_at=START + timedelta(days=1))
    events = [event for history in histories.values() for event in history]
    random.Random(SEED).shuffle(events)  # noqa: S311 - the same order in each run
    sealed = len(events) * 2 // 3
    stored = [*sorted(events[:sealed], key=lambda event: event.timestamp), *events[sealed:]]
    database = await Database.open(module_database_url)
    await _store(database, stored, sealed, tmp_path_factory.mktemp("cache"))
    reader = _open(database, tmp_path_factory.mktemp("cache")).reader
    yield World(events, reader)
    await database.close()


def _open(database: Database, cache: Path) -> SegmentStore:
    return SegmentStore(database, KNOWN, cache_folder=cache, cache_bytes=1 << 30)


async def _store(database: Database, events: Sequence[Happening], sealed: int, cache: Path) -> None:
    """Store events in blocks, and seal the first ones."""
    store, segments = make_store(database), _open(database, cache)
    for start in range(0, len(events), BLOCK_ROWS):
        await store.store(make_batch([event.row() for event in events[start : start + BLOCK_ROWS]]))
        blocks = await segments.catalogue.list_blocks()
        if start < sealed and len(blocks) == SEALED_BLOCKS:
            assert await segments.keeper.seal(blocks)
    await store.close()


@st.composite
def questions(choose: st.DrawFn) -> PageQuestion:
    """Draw a page: filters of all kinds, and a cursor that is an event, or lies beside one."""
    start, end = sorted(choose(st.lists(st.sampled_from(MOMENTS), min_size=2, max_size=2, unique=True)))
    actor = f"actor-{SEED}-{choose(st.integers(0, ACTORS - 1)):05}"
    return PageQuestion(
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


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=questions())
async def test_a_page_is_what_the_oracle_lists(world: World, question: PageQuestion) -> None:
    """Whatever its filters, its cursor and its length are."""
    assert [record.event_id for record in await world.ask(question)] == world.expect(question)


async def test_the_world_has_segments_of_several_groups_and_blocks(world: World) -> None:
    """Else the questions above would ask for less than they seem to."""
    async with world.reader.snapshot(60) as snapshot:
        assert len(snapshot.segments) > 3
        assert len(snapshot.blocks) > 3
        assert all(segment.rows > 2 * GROUP_ROWS for segment in snapshot.segments)
        assert snapshot.segments[0].last_at < snapshot.segments[-1].first_at


@pytest.mark.parametrize("ahead", [1, 3, 20])
async def test_pages_follow_each_other_without_gap_or_repeat(
    world: World, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """Each begins behind the last event of the one before, however many were read with it."""
    monkeypatch.setattr(event_pages, "PAGES_AHEAD", ahead)
    reads = 0
    original = event_list.read_newest

    async def read(*arguments: Any) -> Any:
        nonlocal reads
        reads += 1
        return await original(*arguments)

    monkeypatch.setattr(event_pages, "read_newest", read)
    pages = EventPages(PSEUDONYMS.of)
    question = PageQuestion(MOMENTS[20], MOMENTS[90], EventFilter(), None, 700)
    everything = world.expect(replace(question, limit=len(world.events)))
    listed: list[str] = []
    while page := await world.ask(question, pages):
        assert [record.event_id for record in page] == world.expect(question)
        assert await world.ask(question, pages) == page
        listed += [record.event_id for record in page]
        last = page[-1]
        question = replace(question, after=EventCursor(last.timestamp, last.sequence, last.event_id))
    assert listed == everything
    number = -(-len(everything) // 700)
    assert number > 8
    assert reads == 2 + -(-(number - 1) // ahead)  # the first page is asked for twice, and nothing follows the last


async def test_what_was_read_ahead_is_remembered_for_a_while(world: World) -> None:
    """Of some questions, and a page of another size or from elsewhere is read too."""
    now_s = 0.0
    pages = EventPages(PSEUDONYMS.of, clock_s=lambda: now_s)
    first = PageQuestion(MOMENTS[20], MOMENTS[90], EventFilter(event_type="view"), None, 10)
    cursors = [
        EventCursor(record.timestamp, record.sequence, record.event_id)
        for record in await world.ask(replace(first, limit=400))
    ]
    for moment_s, after, limit in ((0, 9, 10), (0, 19, 30), (0, 15, 7), (29, 49, 160), (29, 350, 20), (99, 360, 5)):
        now_s = float(moment_s)
        question = replace(first, after=cursors[after], limit=limit)
        assert [record.event_id for record in await world.ask(question, pages)] == world.expect(question)
    for number in range(9):
        question = replace(first, start=MOMENTS[number], after=cursors[9])
        assert [record.event_id for record in await world.ask(question, pages)] == world.expect(question)
    assert len(pages._ahead) == event_pages.MOST_QUESTIONS


async def test_a_record_says_what_was_stored(world: World) -> None:
    """Every column, from a block and from a segment."""
    by_id = {event.event_id: event for event in world.events}
    for record in await world.ask(PageQuestion(MOMENTS[0], MOMENTS[-1], EventFilter(), None, 3_000)):
        event = by_id[record.event_id]
        row = dict(zip(COLUMNS, event.row(), strict=True))
        for name in ("event_type", "timestamp", "received_at", "sequence", "user_id", "session_id", "platform"):
            assert getattr(record, name) == row[name]
        assert orjson.loads(record.event_data) == event.data
        assert (None if record.device is None else orjson.loads(record.device)) == event.device


MUTATIONS = {
    "a range that holds its end": ("(at_us < self._end_us)", "(at_us <= self._end_us)"),
    "a range without its start": ("(at_us >= self._floor_us)", "(at_us > self._floor_us)"),
    "the last event of the page before once more": ("(values < bound)", "(values <= bound)"),
    "ties without the sequence": ("~id_high, ~sequence, ~at_us", "~id_high, ~at_us"),
    "the oldest first": ("~sequence, ~at_us", "~sequence, at_us"),
    "a filter that is forgotten": ("(*conditions, *self.pattern.conditions)", "(*conditions,)"),
    "events of the cursor's microsecond counted too early": ("at_us[at_us < self._after", "at_us[at_us <= self._after"),
    "segments left out that end with the page": (">= self._floor_us\n", "> self._floor_us\n"),
    "a page taken for full too early": ("int(newest_us.min()))", "int(newest_us.min()) + 1)"),
    "rows of another user's row groups": ("hash_actor(only.user_id)", "hash_actor(only.user_id + 'x')"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_the_oracle_sees_a_change_of_the_code(world: World, mutation: str) -> None:
    """A comparison, a tie-break, a condition that is lost."""
    old, new = MUTATIONS[mutation]
    with mutated(event_list, old, new):
        answers = [(await world.ask(question), world.expect(question)) for question in fixed_questions(world)]
    assert any([record.event_id for record in page] != expected for page, expected in answers)


async def test_the_code_itself_passes(world: World) -> None:
    """The pages that give the changes away are right without them."""
    for question in fixed_questions(world):
        assert [record.event_id for record in await world.ask(question)] == world.expect(question)


def fixed_questions(world: World) -> list[PageQuestion]:
    """Choose pages that the changes above cannot pass."""
    start, end = MOMENTS[30], MOMENTS[90]
    inside = sorted((event for event in world.events if start <= event.timestamp < end), key=lambda event: event.order)
    last = next(event for event in reversed(inside[:-50]) if event.event_type == "view")
    after = EventCursor(last.timestamp, last.sequence, last.event_id)
    first_of_moment = next(event for event in inside if event.timestamp == last.timestamp)
    behind = EventCursor(first_of_moment.timestamp, first_of_moment.sequence, first_of_moment.event_id)
    only = EventFilter(pattern=parse_step("view:contentType=post", "filter"))
    user = next(event.actor_id for event in inside if event.signed_in)
    whole = [PageQuestion(start, end, only, cursor, 50_000) for cursor in (None, after)]
    short = [
        PageQuestion(MOMENTS[0], end, EventFilter(), cursor, limit)
        for cursor in (None, after, behind)
        for limit in (1, 50, 400)
    ]
    return [*whole, *short, PageQuestion(MOMENTS[0], MOMENTS[-1], EventFilter(user_id=user), None, 100)]
