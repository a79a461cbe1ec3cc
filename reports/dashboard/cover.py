"""What a range is made up of: summaries of whole periods, and what only raw events can tell."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from storage.summaries.horizon import Horizon
from storage.summaries.periods import Period, PeriodRange, Span, Timeframe

LONGEST_FIRST = (Timeframe.MONTH, Timeframe.DAY, Timeframe.HOUR)
"""Weeks cross the ends of months."""
MINUTE = timedelta(minutes=1)
MOST_COVERS = 1024
"""As a range moves on, only the first and the last of a series' periods change."""
SLICES = (10 * MINUTE, MINUTE)
"""What hours are cut into where a range cuts them: 14 slices at most, and less than a minute is left."""


@dataclass(frozen=True, slots=True)
class Cover:
    """What makes up a range, side by side and ascending.

    Attributes:
        periods: those that their summaries stand for.
        cut: parts of hours, of which raw events tell.
        unknown: what has aged out so far that nothing tells what happened in it.
    """

    periods: Sequence[Period]
    cut: Sequence[Span]
    unknown: Sequence[Span]

    @property
    def whole(self) -> list[Span]:
        """The spans that the periods make up."""
        return join_spans(Span(period.start, period.end) for period in self.periods)


@lru_cache(maxsize=MOST_COVERS)
def cover(span: Span, horizon: Horizon, timeframes: tuple[Timeframe, ...] = LONGEST_FIRST) -> Cover:
    """Cut a range into the longest periods that lie in it.

    Args:
        span: in UTC.
        horizon: which periods and events there are.
        timeframes: which periods to use, the longest first.

    Example:
        >>> from datetime import UTC
        >>> always = datetime(1970, 1, 1, tzinfo=UTC)
        >>> span = Span(datetime(2026, 1, 1, 22, 30, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
        >>> found = cover(span, Horizon(always, always, always, 0))
        >>> [(period.timeframe.value, period.start.hour) for period in found.periods]
        [('hour', 23), ('day', 0)]
        >>> [(part.start.minute, part.end.hour) for part in found.cut]
        [(30, 23)]
    """
    periods: list[Period] = []
    cut: list[Span] = []
    unknown: list[Span] = []
    at = span.start
    while at < span.end:
        period = _longest_at(at, span.end, horizon, timeframes)
        if period is None:
            until = min(span.end, Timeframe.HOUR.end_of(Timeframe.HOUR.start_of(at)))
            if at < horizon.raw_from:
                until = min(until, horizon.raw_from)
                unknown.append(Span(at, until))
            else:
                cut.append(Span(at, until))
            at = until
        else:
            periods.append(period)
            at = period.end
    return Cover(periods, cut, join_spans(unknown))


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap, ascending by their starts."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].end >= span.start:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def hour_of_span(span: Span) -> Span:
    """Find the hour that a part of it lies in."""
    start = Timeframe.HOUR.start_of(span.start)
    return Span(start, Timeframe.HOUR.end_of(start))


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


def ranges_of(periods: Iterable[Period]) -> Iterator[PeriodRange]:
    """Join periods of one timeframe that follow each other: what `read_summaries` is asked for."""
    timeframe: Timeframe | None = None
    start = end = None
    for period in sorted(set(periods), key=lambda period: (period.timeframe.value, period.start)):
        if timeframe is not period.timeframe or end != period.start:
            if timeframe is not None and start is not None and end is not None:
                yield timeframe, start, end
            timeframe, start = period.timeframe, period.start
        end = period.end
    if timeframe is not None and start is not None and end is not None:
        yield timeframe, start, end


def _longest_at(at: datetime, end: datetime, horizon: Horizon, timeframes: Sequence[Timeframe]) -> Period | None:
    for timeframe in timeframes:
        if timeframe.start_of(at) == at and timeframe.end_of(at) <= end:
            period = Period(timeframe, at)
            if horizon.keeps(period):
                return period
    return None
