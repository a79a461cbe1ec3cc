"""Hours of which a dashboard needs a part: their rows are read from segments once, and remembered."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pyarrow as pa

from reports.dashboard.cover import hour_of_span, join_spans, slice_hour
from reports.dashboard.memory import BoundedMemory
from storage.segments.block_memory import BLOCK
from storage.segments.catalogue import Segment
from storage.segments.scopes import EventScope, microseconds
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import concatenate
from storage.summaries.columns import Integers, count_by, integers_of, texts_of
from storage.summaries.periods import Span
from storage.summaries.summarise import HOUR_US, SUMMARY_COLUMNS, summarise_groups
from storage.summaries.summary import Summary, add

MOST_ROWS = 300_000
"""Of hours that ranges cut: some 50 MB."""
MOST_TIMES = 4_000_000
"""Of hours that only periods of a series cut: a time and a type each, some 64 MB."""
MOST_SLICES = 256
TIME_COLUMNS = ("timestamp", "event_type")
SeriesCounts = dict[tuple[int, str], int]
"""Events by the place of their period and type."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


RowsKey = frozenset[tuple[UUID, datetime]]
"""Segments and blocks, and the first moments of their hours."""
Places = tuple[tuple[int, int], ...]
"""Rows in order of time: of each stretch the first, and the one after the last."""


@dataclass(frozen=True, slots=True, eq=False)
class CutRows:
    """The events of some hours, by time.

    Attributes:
        key: of which segments and hours, or blocks and hours.
        table: the events.
        times: theirs, ascending, in microseconds.
    """

    key: RowsKey
    table: pa.Table
    times: Integers

    @classmethod
    def of(cls, tables: Sequence[pa.Table], key: RowsKey) -> "CutRows":
        """Put the events of tables in order."""
        table = _join(tables)
        if not len(table):
            return cls(key, table, np.zeros(0, np.int64))
        times = integers_of(table, "timestamp")
        order = np.argsort(times, kind="stable")
        return cls(key, table.take(pa.array(order)), times[order])

    def places(self, spans: Sequence[Span]) -> Places:
        """Find the events of spans: the place of the first of each, and the one after the last; not of empty ones."""
        bounds = [(microseconds(span.start), microseconds(span.end)) for span in spans]
        found = np.searchsorted(self.times, bounds).tolist() if bounds else []
        return tuple((first, last) for first, last in found if first < last)

    def summarise(self, ranges: Sequence[Places]) -> list[Summary]:
        """Summarise the events of several ranges."""
        rows = [np.arange(first, last) for places in ranges for first, last in places]
        if not rows:
            return [Summary()] * len(ranges)
        sizes = [sum(last - first for first, last in places) for places in ranges]
        groups = np.repeat(np.arange(len(ranges)), sizes)
        return summarise_groups(self.table.take(pa.array(np.concatenate(rows))), groups, len(ranges))


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
    """Remembers hours by the segments and blocks that they are of. One is shared by all reports of a process."""

    def __init__(self) -> None:
        self._hours: BoundedMemory[tuple[UUID, datetime], pa.Table] = BoundedMemory(
            MOST_ROWS, lambda table: 1 + len(table)
        )
        self._rows: BoundedMemory[RowsKey, CutRows] = BoundedMemory(MOST_ROWS, lambda rows: 1 + len(rows.times))
        self._minutes: BoundedMemory[tuple[RowsKey, Span], Summary] = BoundedMemory(MOST_SLICES)
        self._rests: BoundedMemory[tuple[RowsKey, Places], Summary] = BoundedMemory(MOST_SLICES)
        self._times: BoundedMemory[tuple[UUID, datetime], TypedTimes] = BoundedMemory(
            MOST_TIMES, lambda some: 1 + len(some.times)
        )

    async def read_hours(self, snapshot: EventSnapshot, spans: Iterable[Span]) -> list[CutRows]:
        """Read the events of the hours in which spans lie: those of segments together, and those of blocks.

        Raises:
            SegmentError: a segment cannot be read; it is named.
            StorageUnavailableError: the place of segments is away.
        """
        found: dict[tuple[UUID, datetime], pa.Table] = {}
        blocks: dict[RowsKey, pa.Table] = {}
        for hour in {hour_of_span(span) for span in spans}:
            scope = EventScope(hour.start, hour.end, columns=SUMMARY_COLUMNS)
            for segment in filter(scope.holds, snapshot.segments):
                key = segment.id, hour.start
                known = self._hours.recall(key)
                found[key] = await self._read_hour(snapshot, segment, scope) if known is None else known
            blocks |= await asyncio.to_thread(_hour_of_blocks, snapshot, scope, hour.start)
        return await asyncio.to_thread(self._order, found, blocks)

    async def _read_hour(self, snapshot: EventSnapshot, segment: Segment, scope: EventScope) -> pa.Table:
        table = _join(await snapshot.scan(segment, SUMMARY_COLUMNS).read(scope))
        assert scope.start is not None  # noqa: S101 - of an hour
        return self._hours.keep((segment.id, scope.start), table)

    def _order(
        self, found: Mapping[tuple[UUID, datetime], pa.Table], blocks: Mapping[RowsKey, pa.Table]
    ) -> list[CutRows]:
        ordered = [self._order_rows(frozenset(found), found.values())]
        if blocks:
            ordered.append(self._order_rows(frozenset().union(*blocks), blocks.values()))
        return ordered

    def _order_rows(self, key: RowsKey, tables: Iterable[pa.Table]) -> CutRows:
        known = self._rows.recall(key)
        return self._rows.keep(key, CutRows.of(list(filter(len, tables)), key)) if known is None else known

    def summarise(self, cut: Sequence[CutRows], ranges: Sequence[Sequence[Span]]) -> list[list[Summary]]:
        """Summarise the cut hours of several ranges, each given as parts of hours; to be called in a thread.

        Whole minutes are remembered: as a range moves on, the fewest of them change. So is what is left, by its
        events: mostly they are the same as a few seconds ago.

        Returns:
            What adds up to each range.
        """
        added: list[list[Summary]] = [[] for _ in ranges]
        for rows in cut:
            rest: list[Places] = []
            for parts, spans in zip(added, ranges, strict=True):
                sliced = [slice_hour(span) for span in spans]
                parts += [self._summarise_minutes(rows, slices) for slices, _ in sliced if slices]
                rest.append(rows.places([part for _, left in sliced for part in left]))
            for parts, summary in zip(added, self._summarise_places(rows, rest), strict=True):
                parts.append(summary)
        return added

    def _summarise_minutes(self, rows: CutRows, slices: Sequence[Span]) -> Summary:
        """Summarise slices that follow each other: each is remembered, and so is their sum."""
        key = rows.key
        whole = key, Span(slices[0].start, slices[-1].end)
        known = self._minutes.recall(whole)
        if known is None:
            parts = {part: self._minutes.recall((key, part)) for part in slices}
            missing = [part for part, summary in parts.items() if summary is None]
            for part, summary in zip(missing, rows.summarise([rows.places([part]) for part in missing]), strict=True):
                parts[part] = self._minutes.keep((key, part), summary)
            known = add([summary for summary in parts.values() if summary is not None])
            self._minutes.keep(whole, known)
        return known

    def _summarise_places(self, rows: CutRows, ranges: Sequence[Places]) -> list[Summary]:
        known = {places: self._rests.recall((rows.key, places)) for places in ranges if places}
        missing = [places for places, summary in known.items() if summary is None]
        for places, summary in zip(missing, rows.summarise(missing), strict=True):
            known[places] = self._rests.keep((rows.key, places), summary)
        return [known.get(places) or _NOTHING for places in ranges]

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
            scope = EventScope(part.start, part.end, columns=TIME_COLUMNS)
            tables = await asyncio.to_thread(_of_blocks, snapshot, scope)
            for hour, times in (await asyncio.to_thread(_split_hours, tables, None)).items():
                found[hour].append(times)
        return found

    @staticmethod
    async def _read_times(
        snapshot: EventSnapshot, segment: Segment, hours: Sequence[datetime]
    ) -> dict[datetime, TypedTimes]:
        scope = EventScope(hours[0], hours[-1] + timedelta(hours=1), columns=TIME_COLUMNS)
        tables = await snapshot.scan(segment, TIME_COLUMNS).read(scope)
        return await asyncio.to_thread(_split_hours, tables, hours)


def _hour_of_blocks(snapshot: EventSnapshot, scope: EventScope, hour: datetime) -> dict[RowsKey, pa.Table]:
    """Read the events of an hour that lie in blocks, by the blocks that have some: others come and change nothing."""
    found: dict[RowsKey, pa.Table] = {}
    for some in snapshot.block_tables:
        if scope.overlaps(some.first_at, some.last_at):
            table = scope.cut(scope.select(some.table, BLOCK))
            if len(table):
                key = frozenset((some.ids[number], hour) for number in np.unique(table[BLOCK].to_numpy()).tolist())
                found[key] = table.drop_columns(BLOCK)
    return found


def _of_blocks(snapshot: EventSnapshot, scope: EventScope) -> list[pa.Table]:
    """Read the events of a scope that lie in blocks."""
    chosen = [table.table for table in snapshot.block_tables if scope.overlaps(table.first_at, table.last_at)]
    cut = [scope.cut(scope.select(table)) for table in chosen]
    return [table for table in cut if len(table)]


def _join(tables: Sequence[pa.Table]) -> pa.Table:
    """Join tables; where there are none, it is an empty one without columns."""
    if not tables:
        return pa.table({})
    return tables[0].combine_chunks() if len(tables) == 1 else concatenate(tables)


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


_NOTHING = Summary()
_NO_TIMES = TypedTimes(np.zeros(0, np.int64), np.zeros(0, np.int64), ())
