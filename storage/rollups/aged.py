"""Covers of ranges whose events, hours or days have partly aged out."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.reader import Snapshot
from storage.rollups.cover import Cover, Period, Span, cover, hours_of
from storage.rollups.periods import Timeframe

ROLLUPS_BEYOND = {
    Timeframe.HOUR: (Timeframe.DAY, Timeframe.MONTH),
    Timeframe.DAY: (Timeframe.MONTH,),
    Timeframe.MONTH: (),
}
"""Where the sum of such periods stays when they age out."""


@dataclass(frozen=True, slots=True)
class RangeCover:
    """What makes up a range: rollups of `periods`, live and frozen, raw events of `rest`, and the `frozen` rollups.

    Attributes:
        span: the range.
        periods: periods whose rollups are complete.
        rest: what only raw events can tell.
        frozen: periods of which a part is in `rest` or made up of shorter ones, though some of what happened in them
            has aged out into their frozen rollup, which lies in range as a whole.
        unknown: likewise, where such a period does not lie in range: what happened in this part of it cannot be told.
    """

    span: Span
    periods: Sequence[Period]
    rest: Sequence[Span]
    frozen: Sequence[Period]
    unknown: Sequence[Span]


async def cover_ranges(
    snapshot: Snapshot,
    ranges: Sequence[tuple[Span, Sequence[Timeframe]]],
    opaque: Collection[datetime],
) -> list[RangeCover]:
    """Cut ranges into rollups of some lengths and raw events, as `cover` does, and see to what has aged out."""
    covers = [cover(*span, opaque, timeframes) for span, timeframes in ranges]
    split = [sorted(set(_split_periods(found)), key=lambda period: period.start) for found in covers]
    wanted = {period for periods in split for period in periods}
    rows = await snapshot.fetch(
        "frozen_periods", [period.timeframe.value for period in wanted], [period.start for period in wanted]
    )
    frozen = {Period(Timeframe(row["timeframe"]), row["timestamp"]) for row in rows}
    oldest_day = rows[0]["oldest_day"] if rows else None
    return [
        _with_aged(span, found, [period for period in periods if period in frozen], oldest_day)
        for (span, _), found, periods in zip(ranges, covers, split, strict=True)
    ]


def _split_periods(found: Cover) -> Iterator[Period]:
    """Name the periods that a cover does not take as a whole, though it takes a part of them."""
    for span in found.rest:
        for hour in hours_of(span):
            yield Period(Timeframe.HOUR, hour)
            for timeframe in ROLLUPS_BEYOND[Timeframe.HOUR]:
                yield Period(timeframe, timeframe.start_of(hour))
    for period in found.periods:
        for timeframe in ROLLUPS_BEYOND[period.timeframe]:
            yield Period(timeframe, timeframe.start_of(period.start))


def _with_aged(span: Span, found: Cover, frozen: Sequence[Period], oldest_day: datetime | None) -> RangeCover:
    whole: list[Period] = []
    unknown: list[Span] = []
    for period in frozen:
        if span.start <= period.start and period.end <= span.end:
            whole.append(period)
            continue
        # Only the days before the oldest one that is left are in the month alone.
        until = oldest_day if period.timeframe is Timeframe.MONTH and oldest_day is not None else period.end
        part = Span(max(span.start, period.start), min(span.end, period.end, until))
        if part.start < part.end:
            unknown.append(part)
    return RangeCover(span, found.periods, found.rest, whole, sorted(unknown))
