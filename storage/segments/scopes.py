"""What a report reads: a scope of events, and how each segment is read range by range of actors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np
import pyarrow as pa

from storage.segments.catalogue import Segment
from storage.segments.files import Range, SegmentReader
from storage.segments.parts import PartFetcher
from storage.segments.tables import ID_PARTS, Integers, integers

ROWS_PER_RANGE = 1_000_000
"""Actors are read in ranges of half to all of so many events."""
SORTED_BY = ("actor_hash", "timestamp", "sequence", "event_id")
"""What every table is sorted by."""
SORTS_SEGMENTS = ("actor_hash", "timestamp", "sequence", "received_at", *ID_PARTS)
"""What says how the rows of several segments are sorted; ids are made of it only where they matter."""
MOST_AT_ONCE = 4
"""So many parts are read at once: decoding takes several cores, but fetching takes a connection for each."""
AnswerT = TypeVar("AnswerT")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class EventScope:
    """Which events to read, and what of them.

    Attributes:
        start, end: times, half-open; None without a bound.
        low_actor, high_actor: pseudonyms, both included; None without a bound.
        columns: flat names; None for all.
    """

    start: datetime | None = None
    end: datetime | None = None
    low_actor: int | None = None
    high_actor: int | None = None
    columns: Sequence[str] | None = None

    def holds(self, segment: Segment) -> bool:
        """Tell whether a segment may have such events."""
        return (
            self.overlaps(segment.first_at, segment.last_at)
            and (self.high_actor is None or segment.low_actor <= self.high_actor)
            and (self.low_actor is None or segment.high_actor >= self.low_actor)
        )

    def overlaps(self, first_at: datetime, last_at: datetime) -> bool:
        """Tell whether there may be such events between two times, both included."""
        return (self.end is None or first_at < self.end) and (self.start is None or last_at >= self.start)

    def select(self, table: pa.Table, *also: str) -> pa.Table:
        """Keep the columns of the scope that a table has, and some others."""
        if self.columns is None:
            return table
        wanted = {*self.columns, *also}
        return table.select([name for name in table.column_names if name in wanted])

    def cut(self, table: pa.Table) -> pa.Table:
        """Keep the rows of the scope; copies nothing where that are consecutive ones.

        Args:
            table: sorted; with `actor_hash` and `timestamp` where the scope bounds them.
        """
        if self.low_actor is not None or self.high_actor is not None:
            actors = integers(table, "actor_hash")
            first = 0 if self.low_actor is None else int(np.searchsorted(actors, self.low_actor))
            last = len(actors) if self.high_actor is None else int(np.searchsorted(actors, self.high_actor, "right"))
            table = table.slice(first, last - first)
        if (self.start is None and self.end is None) or not len(table):
            return table
        at_us = integers(table, "timestamp")
        start_us = _LOWEST if self.start is None else microseconds(self.start)
        end_us = _HIGHEST if self.end is None else microseconds(self.end)
        if at_us.min() >= start_us and at_us.max() < end_us:
            return table
        return table.filter(pa.array((at_us >= start_us) & (at_us < end_us)))


async def at_once(works: Iterable[Callable[[], Awaitable[AnswerT]]]) -> list[AnswerT]:
    """Do several pieces of work, MOST_AT_ONCE at a time; give their answers in order. Where one fails, all end."""
    free = asyncio.Semaphore(MOST_AT_ONCE)

    async def wait_and_do(work: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        async with free:
            return await work()

    tasks = [asyncio.create_task(wait_and_do(work)) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def microseconds(moment: datetime) -> int:
    """Tell how long after 1970 a moment is, in microseconds, as columns of times have it."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def actor_ranges(scope: EventScope, rows: int) -> Iterator[EventScope]:
    """Split a scope by actors into equal ranges, ascending: a power of two, as segments are split too.

    Args:
        scope: what to split.
        rows: about how many events it has.
    """
    low = _LOWEST if scope.low_actor is None else scope.low_actor
    high = _HIGHEST if scope.high_actor is None else scope.high_actor
    count = 1
    while count * ROWS_PER_RANGE < rows:
        count *= 2
    width = -(-(high - low + 1) // count)
    for first in range(low, high + 1, width):
        yield replace(scope, low_actor=first, high_actor=min(first + width - 1, high))


class SegmentScan:
    """Reads parts of one segment.

    Args of the constructor:
        segment: which one.
        reader: of its footer.
        parts: fetches its bytes.
        columns: flat names of those to read; None for all.
    """

    def __init__(
        self, segment: Segment, reader: SegmentReader, parts: PartFetcher, columns: Sequence[str] | None
    ) -> None:
        self.segment = segment
        self._reader = reader
        self._parts = parts
        self._columns = columns
        self._kept: dict[int, pa.Table] = {}

    @property
    def most_group_rows(self) -> int:
        """How many rows its largest row group has."""
        return max(group.rows for group in self._reader.row_groups)

    def rows(self, scope: EventScope) -> int:
        """Estimate how many events of a scope it has, as though they were spread evenly over its time."""
        chosen = self.groups(scope)
        rows = sum(self._reader.row_groups[number].rows for number in chosen)
        first, last = microseconds(self.segment.first_at), microseconds(self.segment.last_at) + 1
        start = first if scope.start is None else max(first, microseconds(scope.start))
        end = last if scope.end is None else min(last, microseconds(scope.end))
        return rows * max(0, end - start) // (last - first)

    def groups(self, scope: EventScope) -> list[int]:
        """List the row groups that may hold events of a scope."""
        return self._reader.groups(scope.low_actor, scope.high_actor, scope.start, scope.end)

    def times(self, number: int) -> tuple[datetime, datetime]:
        """Give the times of the earliest and the latest event of a row group."""
        group = self._reader.row_groups[number]
        return group.first_at, group.last_at

    async def read(self, scope: EventScope, *, keeps: bool = False) -> list[pa.Table]:
        """Read the events of a scope: a sorted table for each row group that has some, in order.

        Args:
            scope: which events; its columns do not count.
            keeps: whether row groups that hold actors above the scope are kept for the next call.
        """
        tables: list[pa.Table] = []
        async for number, table in self.read_groups(self.groups(scope)):
            tables.append(await asyncio.to_thread(scope.cut, table))
            is_done = scope.high_actor is None or self._reader.row_groups[number].high_actor <= scope.high_actor
            if keeps and not is_done:
                self._kept[number] = table
        return [table for table in tables if len(table)]

    async def rows_of_actors(self, numbers: Sequence[int], low: int, high: int) -> dict[int, Integers]:
        """Find the places of the rows of some actors, in each of the row groups that has some.

        Args:
            numbers: of row groups.
            low: the least pseudonym.
            high: the greatest one, included.
        """
        actors = SegmentScan(self.segment, self._reader, self._parts, ("actor_hash",))
        found = {}
        async for number, table in actors.read_groups(numbers):
            hashes = integers(table, "actor_hash")
            first, last = np.searchsorted(hashes, low), np.searchsorted(hashes, high, "right")
            if last > first:
                found[number] = np.arange(first, last)
        return found

    async def read_rows(self, rows: Mapping[int, Integers]) -> AsyncIterator[tuple[int, pa.Table]]:
        """Read some rows of row groups, one group by one: of each, its number and a sorted table.

        Args:
            rows: their places in each of the row groups.
        """
        ranges = self._reader.ranges(list(rows), self._columns)
        parts = await self._parts.fetch(self.segment, ranges)
        for number in rows:
            yield number, await asyncio.to_thread(self._decode, number, parts, rows)

    async def read_groups(self, numbers: Sequence[int]) -> AsyncIterator[tuple[int, pa.Table]]:
        """Read row groups whole, one by one: of each, its number and a sorted table."""
        missing = [number for number in numbers if number not in self._kept]
        ranges = self._reader.ranges(missing, self._columns)
        parts = await self._parts.fetch(self.segment, ranges) if ranges else {}
        for number in numbers:
            table = self._kept.pop(number, None)
            yield number, await asyncio.to_thread(self._decode, number, parts) if table is None else table

    async def read_whole(self) -> pa.Table:
        """Read all events, as one sorted table."""
        parts = await self._parts.fetch(self.segment, self._reader.ranges(None, self._columns))
        return await asyncio.to_thread(self._reader.read, parts, None, self._columns)

    def _decode(
        self, number: int, parts: Mapping[Range, bytes], rows: Mapping[int, Integers] | None = None
    ) -> pa.Table:
        own = {part: parts[part] for part in self._reader.ranges([number], self._columns)}
        return self._reader.read(own, [number], self._columns, rows)
