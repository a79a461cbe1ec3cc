"""Hours of which a dashboard needs a part: their rows are read from segments once, and remembered."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pyarrow as pa

from storage.reports.dashboard.cover import hour_of_span, join_spans, slice_hour
from storage.reports.dashboard.memory import BoundedMemory
from storage.segments.catalogue import Segment
from storage.segments.scopes import EventScope, microseconds
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import concatenate
from storage.summaries.columns import Integers, count_by, integers_of, texts_of
from storage.summaries.periods import Span
from storage.summaries.summarise import HOUR_US, SUMMARY_COLUMNS, summarise_groups
from storage.summaries.summary import Summary

MOST_ROWS = 300_000
"""Of hours that ranges cut: some 50 MB."""
MOST_TIMES = 4_000_000
"""Of hours that only periods of a series cut: a time and a type each, some 64 MB."""
MOST_SLICES = 128
TIME_COLUMNS = ("timestamp", "event_type")
SeriesCounts = dict[tuple[int, str], int]
"""Events by the place of their period and type."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class CutHour:
    """The events of an hour.

    Attributes:
        segments: ids of the segments that may have some.
        rows: of these segments, in any order.
        blocks: the rows of blocks.
    """

    segments: frozenset[UUID]
    rows: pa.Table
    blocks: Sequence[pa.Table]


@dataclass(frozen=True, slots=True, eq=False)
class TypedTimes:
    """When events happened: times in microseconds, ascending, and the code of the type of each."""

    times: Integers
    codes: Integers
    types: Sequence[str]

    def count(self, starts: Integers, span: Span, counts: SeriesCounts) -> None:
        """Add the events of a span to counts; periods begin at `starts`, in microseconds, ascending."""
        first, last = np.searchsorted(self.times, [microseconds(span.start), microseconds(span.end)])
        periods = np.searchsorted(starts, self.times[first:last], "right") - 1
        sizes = [len(starts), max(len(self.types), 1)]
        (places, codes), found = count_by([periods, self.codes[first:last]], sizes)
        for place, code, count in zip(places.tolist(), codes.tolist(), found.tolist(), strict=True):
            key = place, self.types[code]
            counts[key] = counts.get(key, 0) + count


class CutMemory:
    """Remembers hours by the segments that they are of. One is shared by all reports of a process."""

    def __init__(self) -> None:
        self._rows: BoundedMemory[tuple[UUID, datetime], pa.Table] = BoundedMemory(
            MOST_ROWS, lambda table: 1 + len(table)
        )
        self._times: BoundedMemory[tuple[UUID, datetime], TypedTimes] = BoundedMemory(
            MOST_TIMES, lambda some: 1 + len(some.times)
        )
        self._slices: BoundedMemory[tuple[frozenset[UUID], Span], Summary] = BoundedMemory(MOST_SLICES)

    async def read_hours(self, snapshot: EventSnapshot, spans: Iterable[Span]) -> dict[datetime, CutHour]:
        """Read the events of the hours in which spans lie, by the first moment of the hour.

        Raises:
            SegmentError: a segment cannot be read; it is named.
            StorageUnavailableError: the place of segments is away.
        """
        return {hour.start: await self._read_hour(snapshot, hour) for hour in {hour_of_span(span) for span in spans}}

    async def _read_hour(self, snapshot: EventSnapshot, hour: Span) -> CutHour:
        scope = EventScope(hour.start, hour.end, columns=SUMMARY_COLUMNS)
        segments = [segment for segment in snapshot.segments if scope.holds(segment)]
        tables = []
        for segment in segments:
            table = self._rows.recall((segment.id, hour.start))
            if table is None:
                table = _join(await snapshot.scan(segment, SUMMARY_COLUMNS).read(scope))
                self._rows.keep((segment.id, hour.start), table)
            tables.append(table)
        rows = _join([table for table in tables if len(table)])
        return CutHour(frozenset(segment.id for segment in segments), rows, await snapshot.tables_of_blocks(scope))

    def summarise(self, hour: CutHour, span: Span) -> list[Summary]:
        """Summarise a part of an hour; what is returned adds up to it. To be called in a thread."""
        slices, rest = slice_hour(span)
        parts = [self._summarise_slice(hour, part) for part in slices]
        parts += [_summarise(hour.rows, part) for part in rest]
        return parts + [_summarise(table, span) for table in hour.blocks]

    def _summarise_slice(self, hour: CutHour, part: Span) -> Summary:
        key = hour.segments, part
        known = self._slices.recall(key)
        return self._slices.keep(key, _summarise(hour.rows, part)) if known is None else known

    async def read_times(self, snapshot: EventSnapshot, spans: Iterable[Span]) -> dict[datetime, list[TypedTimes]]:
        """Read when the events of the hours happened in which spans lie, by the first moment of the hour.

        Raises:
            SegmentError: a segment cannot be read; it is named.
            StorageUnavailableError: the place of segments is away.
        """
        hours = sorted({hour_of_span(span) for span in spans})
        found: dict[datetime, list[TypedTimes]] = {hour.start: [] for hour in hours}
        for segment in snapshot.segments:
            own = [hour.start for hour in hours if segment.first_at < hour.end and segment.last_at >= hour.start]
            known = {hour: self._times.recall((segment.id, hour)) for hour in own}
            missing = [hour for hour, times in known.items() if times is None]
            if missing:
                read = await self._read_times(snapshot, segment, missing)
                known |= {hour: self._times.keep((segment.id, hour), times) for hour, times in read.items()}
            for hour, times in known.items():
                if times is not None:
                    found[hour].append(times)
        for part in join_spans(hours):
            for table in await snapshot.tables_of_blocks(EventScope(part.start, part.end, columns=TIME_COLUMNS)):
                for hour, times in (await asyncio.to_thread(_split_hours, [table], None)).items():
                    found[hour].append(times)
        return found

    @staticmethod
    async def _read_times(
        snapshot: EventSnapshot, segment: Segment, hours: Sequence[datetime]
    ) -> dict[datetime, TypedTimes]:
        scope = EventScope(hours[0], hours[-1] + timedelta(hours=1), columns=TIME_COLUMNS)
        tables = await snapshot.scan(segment, TIME_COLUMNS).read(scope)
        return await asyncio.to_thread(_split_hours, tables, hours)


def _join(tables: Sequence[pa.Table]) -> pa.Table:
    """Join tables; where there are none, it is an empty one without columns."""
    if not tables:
        return pa.table({})
    return tables[0].combine_chunks() if len(tables) == 1 else concatenate(tables)


def _summarise(table: pa.Table, span: Span) -> Summary:
    """Summarise the events of a span."""
    table = EventScope(span.start, span.end).cut(table)
    return summarise_groups(table, np.zeros(len(table), np.int64), 1)[0] if len(table) else Summary()


def _split_hours(tables: Sequence[pa.Table], wanted: Sequence[datetime] | None) -> dict[datetime, TypedTimes]:
    """Read times and types, by hour.

    Args:
        tables: with TIME_COLUMNS.
        wanted: each of these hours, and no other, is in the answer; None for those that occur.
    """
    table = _join(tables)
    if not len(table):
        return dict.fromkeys(wanted or (), _NO_TIMES)
    times, types = integers_of(table, "timestamp"), texts_of(table, "event_type").compact()
    order = np.argsort(times, kind="stable")
    times, codes, names = times[order], types.codes[order], types.distinct.to_pylist()
    if wanted is None:
        wanted = [_EPOCH + timedelta(microseconds=int(hour) * HOUR_US) for hour in np.unique(times // HOUR_US)]
    found = {}
    for hour in wanted:
        start_us = microseconds(hour)
        first, last = np.searchsorted(times, [start_us, start_us + HOUR_US])
        # Copies, since a view would keep the times of all hours.
        found[hour] = TypedTimes(times[first:last].copy(), codes[first:last].copy(), names)
    return found


_NO_TIMES = TypedTimes(np.zeros(0, np.int64), np.zeros(0, np.int64), ())
