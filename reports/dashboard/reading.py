"""Reading a dashboard: all of it from one snapshot, in the way that fits the question."""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise

import numpy as np

from reports.dashboard.cover import Cover, cover, hour_of_span, ranges_of
from reports.dashboard.cut_hours import SeriesCounts, TypedTimes
from reports.dashboard.exact import read_dashboard
from reports.dashboard.recent import RecentEvents
from reports.dashboard.rows import DashboardQuestion, DashboardRows
from reports.dashboard.summed import DashboardSources, Memories, sum_dashboard
from storage.postgres.database import Database, PooledConnection
from storage.postgres.errors import StorageUnavailableError
from storage.segments.scopes import microseconds
from storage.segments.snapshot import EventReader, EventSnapshot, may_have_events
from storage.summaries.aggregations import count_series
from storage.summaries.horizon import Horizon, read_horizon
from storage.summaries.periods import Span, Timeframe
from storage.summaries.reading import StoredSummaries, read_summaries
from storage.summaries.sights import SightMemory, count_new

EXACT_UP_TO = 100_000
"""Events of both ranges that are counted one by one unless estimates are asked for."""
SERIES_TIMEFRAMES = (Timeframe.DAY, Timeframe.HOUR)
"""No period of a series is longer than a day."""
MOST_STARTS = 3
"""Where summaries change while they are read, reading starts over: so often before it gives up."""


class AgedOutError(Exception):
    """An exact answer was asked for, and some events are gone."""


class _FoldedError(Exception):
    """Summaries have changed after the snapshot was taken."""


@dataclass(slots=True)
class _Stored:
    """What the transaction of a snapshot has read beside the list of segments and blocks.

    Attributes:
        horizon: which periods and events there are.
        covers: what the range, and the one before, are made up of.
        series: what makes up the periods of the series.
        summaries: of the covers.
        counts: of the series, by place of the period, from 0, and event type.
    """

    horizon: Horizon
    covers: tuple[Cover, Cover]
    series: Sequence[Cover]
    summaries: StoredSummaries
    counts: Mapping[tuple[int, str], int]


class DashboardReader:
    """Answers dashboards, and remembers what it has read. One is shared by all reports of a process.

    Args of the constructor:
        database: a migrated one.
        reader: reads the events of it.
    """

    def __init__(self, database: Database, reader: EventReader) -> None:
        self._database = database
        self._reader = reader
        self._memories = Memories.empty()
        self._sights = SightMemory()

    async def read(
        self, question: DashboardQuestion, timeout_s: float, *, is_exact: bool | None = None
    ) -> DashboardRows:
        """Read what a dashboard shows.

        Args:
            question: the ranges.
            timeout_s: for all of it.
            is_exact: whether all figures are counted event by event, or estimated where they do not add up; None:
                counted where there are at most EXACT_UP_TO events.

        Raises:
            AgedOutError: figures are to be exact, and some events are gone.
            SegmentError, BlockError, SummaryError: a part cannot be read; it is named.
            StorageTimeoutError: the time was over.
            StorageUnavailableError: the database is away, or changes all the time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        for _ in range(MOST_STARTS):
            try:
                return await self._read(question, deadline - loop.time(), is_exact=is_exact)
            except _FoldedError:
                continue
        raise StorageUnavailableError("events are being summarised all the time; ask again")

    async def _read(self, question: DashboardQuestion, timeout_s: float, *, is_exact: bool | None) -> DashboardRows:
        looked = _Look(question, self._memories)

        async def answer(snapshot: EventSnapshot) -> DashboardRows:
            horizon = looked.stored.horizon
            is_gone = question.previous_start < horizon.raw_from
            if is_exact and is_gone:
                raise AgedOutError
            sources = await self._read_sources(snapshot, question, looked.stored, timeout_s)
            if not is_exact:
                rows = await asyncio.to_thread(sum_dashboard, sources, self._memories)
                few = rows.figures.events + rows.previous.events <= EXACT_UP_TO and not is_gone
                if is_exact is False or not few:
                    return rows
            return await read_dashboard(snapshot, question, sources.newcomers)

        return await self._reader.ask(answer, timeout_s, also=looked.read)

    async def _read_sources(
        self, snapshot: EventSnapshot, question: DashboardQuestion, stored: _Stored, timeout_s: float
    ) -> DashboardSources:
        memories = self._memories
        recent = await memories.recent.read(snapshot)
        rows = await memories.cut.read_hours(snapshot, chain.from_iterable(found.cut for found in stored.covers))
        cut = list(chain.from_iterable(found.cut for found in stored.series))
        times = await memories.cut.read_times(snapshot, cut)
        return DashboardSources(
            covers=stored.covers,
            stored=stored.summaries,
            recent=recent,
            cut=rows,
            newcomers=await self._count_newcomers([question.current, question.previous], recent, stored, timeout_s),
            series=await asyncio.to_thread(_count_series, question, stored, recent, times, cut),
            unknown_series=stored.series,
        )

    async def _count_newcomers(
        self, spans: Sequence[Span], recent: RecentEvents, stored: _Stored, timeout_s: float
    ) -> list[int]:
        """Count who was seen first in each span, in a transaction that sees the summaries of the snapshot."""
        async with (
            self._database.acquire_reader(timeout_s) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            folds = (await read_horizon(connection)).folds
            if folds != stored.horizon.folds:
                raise _FoldedError
            return await count_new(connection, spans, recent.sights, self._sights, folds)


class _Look:
    """Reads, in the transaction of a snapshot, what the summaries have of a question's ranges."""

    def __init__(self, question: DashboardQuestion, memories: Memories) -> None:
        self._question = question
        self._memories = memories
        self.stored: _Stored

    async def read(self, connection: PooledConnection) -> None:
        """Read it; may be called again for another snapshot."""
        question = self._question
        horizon = await read_horizon(connection)
        end = await self._find_end(connection, horizon)
        covers = cover(Span(question.start, end), horizon), cover(question.previous, horizon)
        starts = question.period_starts
        series = [cover(Span(*bounds), horizon, SERIES_TIMEFRAMES) for bounds in pairwise([*starts, end])]
        periods = chain.from_iterable(found.periods for found in covers)
        ranges = ranges_of(chain.from_iterable(found.periods for found in series))
        self.stored = _Stored(
            horizon,
            covers,
            series,
            await read_summaries(connection, ranges_of(periods), self._memories.summaries),
            await count_series(connection, ranges, starts),
        )

    async def _find_end(self, connection: PooledConnection, horizon: Horizon) -> datetime:
        """Move the end to that of its hour where no event lies between: who asks until now asks for all there is."""
        end = self._question.end
        hour = Timeframe.HOUR.start_of(end)
        if hour == end or hour < horizon.raw_from:  # what lies between may have aged out
            return end
        next_hour = Timeframe.HOUR.end_of(hour)
        return end if await may_have_events(connection, end, next_hour) else next_hour


def _count_series(
    question: DashboardQuestion,
    stored: _Stored,
    recent: RecentEvents,
    times: Mapping[datetime, Sequence[TypedTimes]],
    cut: Sequence[Span],
) -> SeriesCounts:
    """Count the events of each period: summarised ones, those that are not yet, and those of cut hours."""
    counts: SeriesCounts = dict(stored.counts)
    starts = question.period_starts
    wholes = [found.whole for found in stored.series]
    for part in recent.parts.values():
        hours = list(part.hours)
        for hour in hours[bisect_left(hours, starts[0]) : bisect_left(hours, question.end)]:
            place = bisect_right(starts, hour) - 1
            if any(span.start <= hour < span.end for span in wholes[place]):
                for event_type, count in part.hours[hour].counts.items():
                    counts[place, event_type] = counts.get((place, event_type), 0) + count
    starts_us = np.array([microseconds(start) for start in starts])
    for span in cut:
        for some in times[hour_of_span(span).start]:
            some.count(starts_us, span, counts)
    return counts
