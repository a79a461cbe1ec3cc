"""Which rollups make up a range, and which parts of it only raw events can tell."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from storage.rollups.periods import Timeframe


class Span(NamedTuple):
    """A half-open range of time."""

    start: datetime
    end: datetime


class Period(NamedTuple):
    """A period that has a rollup, or would if anything had happened in it."""

    timeframe: Timeframe
    start: datetime

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.timeframe.end_of(self.start)


@dataclass(frozen=True, slots=True)
class Cover:
    """Periods and spans that lie side by side and make up a range."""

    periods: Sequence[Period]
    rest: Sequence[Span]
    """What is left: parts of hours at both ends, and hours whose rollups are of no use."""


LONGEST_FIRST = (Timeframe.MONTH, Timeframe.DAY, Timeframe.HOUR)
"""Weeks cross the ends of months: beside them they would count twice what has aged out."""

MINUTE = timedelta(minutes=1)
SLICES = (10 * MINUTE, MINUTE)
"""What hours are cut into where a range cuts them: 14 slices at most, and less than a minute is left."""


def cover(
    start: datetime, end: datetime, opaque: Iterable[datetime], timeframes: Sequence[Timeframe] = LONGEST_FIRST
) -> Cover:
    """Cut [start, end) into the longest periods that lie in it.

    Args:
        start: first moment, in UTC.
        end: first moment after.
        opaque: hours whose rollups are of no use, and with them those of all periods that they lie in.
        timeframes: which periods to use, the longest first.

    Example:
        >>> from datetime import UTC
        >>> found = cover(datetime(2026, 1, 1, 22, 30, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC), ())
        >>> [(period.timeframe.value, period.start.hour) for period in found.periods]
        [('hour', 23), ('day', 0)]
        >>> [(span.start.minute, span.end.hour) for span in found.rest]
        [(30, 23)]
    """
    dirty = sorted(opaque)
    periods: list[Period] = []
    rest: list[Span] = []
    at = start
    while at < end:
        period = _longest_at(at, end, dirty, timeframes)
        if period is None:
            until = min(end, Timeframe.HOUR.end_of(Timeframe.HOUR.start_of(at)))
            rest.append(Span(at, until))
            at = until
        else:
            periods.append(period)
            at = period.end
    return Cover(periods, join_spans(rest))


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap, ascending by their starts."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].end >= span.start:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def split_days(spans: Iterable[Span]) -> Iterator[Span]:
    """Split spans at midnights: each part lies within one partition."""
    for span in spans:
        start = span.start
        while start < span.end:
            end = min(span.end, Timeframe.DAY.end_of(Timeframe.DAY.start_of(start)))
            yield Span(start, end)
            start = end


def overlap(span: Span, other: Span) -> Span | None:
    """Find what two spans share; None for nothing."""
    shared = Span(max(span.start, other.start), min(span.end, other.end))
    return shared if shared.start < shared.end else None


def slice_hour(span: Span) -> tuple[list[Span], list[Span]]:
    """Cut a part of an hour into slices, the longest that lie in it, and parts of minutes at its ends.

    Example:
        >>> from datetime import UTC
        >>> start = datetime(2026, 1, 1, 10, 28, 30, tzinfo=UTC)
        >>> slices, rest = slice_hour(Span(start, datetime(2026, 1, 1, 10, 40, tzinfo=UTC)))
        >>> [(part.start.minute, part.end.minute) for part in slices], [part.end.minute for part in rest]
        ([(29, 30), (30, 40)], [29])
    """
    slices: list[Span] = []
    rest: list[Span] = []
    at = span.start
    while at < span.end:
        into_hour = at - Timeframe.HOUR.start_of(at)
        length = next((some for some in SLICES if not into_hour % some and at + some <= span.end), None)
        if length is None:
            end = min(span.end, at + (MINUTE - into_hour % MINUTE))
            rest.append(Span(at, end))
        else:
            end = at + length
            slices.append(Span(at, end))
        at = end
    return slices, rest


def hours_of(span: Span) -> Iterator[datetime]:
    """Yield the hours that a span touches."""
    hour = Timeframe.HOUR.start_of(span.start)
    while hour < span.end:
        yield hour
        hour = Timeframe.HOUR.end_of(hour)


def parts_of_hours(spans: Iterable[Span]) -> Iterator[Span]:
    """Split spans at full hours."""
    for span in spans:
        for hour in hours_of(span):
            yield Span(max(span.start, hour), min(span.end, Timeframe.HOUR.end_of(hour)))


def _longest_at(
    at: datetime, end: datetime, dirty: Sequence[datetime], timeframes: Sequence[Timeframe]
) -> Period | None:
    for timeframe in timeframes:
        if timeframe.start_of(at) != at:
            continue
        until = timeframe.end_of(at)
        place = bisect_left(dirty, at)
        if until <= end and (place == len(dirty) or dirty[place] >= until):
            return Period(timeframe, at)
    return None
