"""Recounting: summarises the events of a range anew, from the segments that are summarised."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from storage.segments.scopes import EventScope
from storage.segments.snapshot import EventSnapshot
from storage.summaries.horizon import Horizon
from storage.summaries.periods import DAY, Span, Timeframe
from storage.summaries.sights import NO_SIGHTS, FirstSights, Integers, merge_sights
from storage.summaries.summarise import SUMMARY_COLUMNS, first_sights, summarise
from storage.summaries.summary import Summary, add
from storage.write.hours import HOUR

DAYS_AT_ONCE = 31
"""Bounds memory: an hour takes up to 100 kB."""
TIMEOUT_S = 1800.0
"""For the days of one pass: reading 50 million events takes some minutes."""


@dataclass(slots=True)
class Recounted:
    """What the summaries of a range should be.

    Attributes:
        hours: with events, by their first moment.
        sights: when actors were first seen in the range.
    """

    hours: dict[datetime, Summary] = field(default_factory=dict)
    sights: FirstSights = NO_SIGHTS

    def add_table(self, table: pa.Table) -> None:
        """Add the events of a sorted table; this takes its time, so it is called in a thread."""
        for hour, summary in summarise(table).items():
            known = self.hours.get(hour)
            self.hours[hour] = summary if known is None else add([known, summary])
        self.sights = merge_sights([self.sights, FirstSights(*first_sights(table))])


async def recount(snapshot: EventSnapshot, span: Span) -> Recounted:
    """Summarise the events of a range that the summaries should have.

    Raises:
        SegmentDamagedError, SegmentMissingError: a segment cannot be read; it is named.
        StorageUnavailableError: its place is away.
    """
    found = Recounted()
    scope = EventScope(start=span.start, end=span.end)
    for segment in snapshot.segments:
        if segment.is_summarised and scope.holds(segment):
            for table in await snapshot.scan(segment, SUMMARY_COLUMNS).read(scope):
                await asyncio.to_thread(found.add_table, table)
    return found


async def find_first_events(snapshot: EventSnapshot, actors: Integers) -> FirstSights:
    """Find the first event of each of some actors, ascending, in all summarised segments; who has none is left out."""
    sights = NO_SIGHTS
    columns = ("actor_hash", "timestamp", "user_id", "session_id")
    for segment in snapshot.segments:
        if segment.is_summarised:
            for table in await snapshot.scan(segment, columns).read(EventScope()):
                sights = await asyncio.to_thread(_add_chosen, sights, table, actors)
    return sights


def split_range(start: datetime, end: datetime, horizon: Horizon) -> Iterator[Span]:
    """Split the days that a range touches into passes; what lies before the horizon of raw events is left out."""
    first = max(Timeframe.DAY.start_of(start), _next_hour(max(horizon.raw_from, horizon.hours_from)))
    last = Timeframe.DAY.start_of(end + DAY - timedelta(microseconds=1))
    while first < last:
        until = min(Timeframe.DAY.start_of(first) + DAYS_AT_ONCE * DAY, last)
        yield Span(first, until)
        first = until


def _next_hour(moment: datetime) -> datetime:
    hour = Timeframe.HOUR.start_of(moment)
    return hour if hour == moment else hour + HOUR


def _add_chosen(sights: FirstSights, table: pa.Table, actors: Integers) -> FirstSights:
    found = FirstSights(*first_sights(table))
    chosen = np.isin(found.actors, actors)
    return merge_sights([sights, FirstSights(found.actors[chosen], found.firsts[chosen])])
