"""Pages of events: who reads one after the other does not have the same row groups read again for each of them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from reports.events.page import (
    EventCursor,
    EventFilter,
    EventRecord,
    PageQuestion,
    place_of,
    read_newest,
    records_of,
)
from storage.segments.snapshot import EventSnapshot

PAGES_AHEAD = 20
"""With the second page of a question, so many are read: a segment is sorted by actor, and holds them anywhere."""
MOST_ROWS_AHEAD = 20_000
"""Some 10 MB."""
MOST_QUESTIONS = 4
REMEMBERED_S = 30.0
"""Events that are erased or that arrive late may be missed on a page by so long."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Events that follow each other.

    Attributes:
        after: the event behind which they begin.
        table: of the events, newest first.
        is_end: whether no more follow.
        until_s: how long they are remembered.
    """

    after: EventCursor
    table: pa.Table
    is_end: bool
    until_s: float


class EventPages:
    """Reads pages, and remembers for a while what follows the second page of a question.

    Args of the constructor:
        hash_actor: makes the pseudonym of a user.
        clock_s: a clock that never goes back.
    """

    def __init__(self, hash_actor: Callable[[str], int], *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._hash_actor = hash_actor
        self._clock_s = clock_s
        self._ahead: OrderedDict[tuple[datetime, datetime, EventFilter], _Ahead] = OrderedDict()

    async def read(self, snapshot: EventSnapshot, question: PageQuestion) -> list[EventRecord]:
        """Read events of the range that match the filter, newest first, from behind the cursor on.

        Args:
            snapshot: what to read from.
            question: which page.
        """
        table = await asyncio.to_thread(self._recall, question)
        if table is None:
            table = await self._read(snapshot, question)
        return [] if table is None else await asyncio.to_thread(records_of, table, snapshot.known)

    async def _read(self, snapshot: EventSnapshot, question: PageQuestion) -> pa.Table | None:
        if question.after is None:
            return await read_newest(snapshot, question, self._hash_actor)
        limit = max(question.limit, min(PAGES_AHEAD * question.limit, MOST_ROWS_AHEAD))
        table = await read_newest(snapshot, replace(question, limit=limit), self._hash_actor)
        if table is None:
            return None
        ahead = _Ahead(question.after, table, len(table) < limit, self._clock_s() + REMEMBERED_S)
        self._ahead[_key(question)] = ahead
        self._ahead.move_to_end(_key(question))
        while len(self._ahead) > MOST_QUESTIONS:
            self._ahead.popitem(last=False)
        return table.slice(0, question.limit)

    def _recall(self, question: PageQuestion) -> pa.Table | None:
        """Find a page among what is remembered; None where it is not there, or not all of it."""
        ahead = self._ahead.get(_key(question))
        if ahead is None or question.after is None or self._clock_s() > ahead.until_s:
            return None
        place = -1 if ahead.after == question.after else place_of(ahead.table, question.after)
        if place is None:
            return None
        page = ahead.table.slice(place + 1, question.limit)
        return page if len(page) == question.limit or ahead.is_end else None


def _key(question: PageQuestion) -> tuple[datetime, datetime, EventFilter]:
    return question.start, question.end, question.only
