"""The rows of a dashboard from rollups: what adds up costs the same for any number of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from storage.dashboard_rows import (
    DashboardRows,
    Figures,
    RevenueTotal,
    SeriesCount,
    TypeTotal,
    mean,
    read_dashboard,
)
from storage.reader import Snapshot
from storage.rollups.aged import RangeCover, cover_ranges
from storage.rollups.cover import Span, join_spans
from storage.rollups.periods import Timeframe
from storage.rollups.reading import count_at_most, count_periods, sum_ranges
from storage.rollups.sums import Number, Sums


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a range and of the one before it, before any of it is read.

    Attributes:
        previous_start: first moment of the range before.
        period_starts: first moments of the periods of the series, ascending; the first one is the range's own.
        end: first moment after the range.
        ranges: what makes up the range, and the one before.
        unfolded: hours with events that their rollups lack, and how many.
        events_at_most: how many events both have; parts of hours may count as a whole.
        aged_out: whether some of their raw events are gone.
    """

    previous_start: datetime
    period_starts: Sequence[datetime]
    end: datetime
    ranges: Sequence[RangeCover]
    unfolded: Mapping[datetime, int]
    events_at_most: int
    aged_out: bool


async def survey_dashboard(
    snapshot: Snapshot, *, previous_start: datetime, period_starts: Sequence[datetime], end: datetime
) -> Survey:
    """Find out what a range and the one before it are made up of; arguments are those of `read_dashboard`."""
    start = period_starts[0]
    hour, day, month = (
        timeframe.start_of(previous_start) for timeframe in (Timeframe.HOUR, Timeframe.DAY, Timeframe.MONTH)
    )
    rows = await snapshot.fetch("unfolded_hours", hour, end)
    unfolded = {row["hour"]: row["count"] for row in rows}
    aged = await snapshot.fetch_one("aged_out", hour, day, month, end)
    ranges = await cover_ranges(snapshot, [Span(start, end), Span(previous_start, start)], unfolded)
    return Survey(
        previous_start=previous_start,
        period_starts=period_starts,
        end=end,
        ranges=ranges,
        unfolded=unfolded,
        events_at_most=await count_at_most(snapshot, ranges, unfolded),
        aged_out=aged["aged_out"],
    )


async def sum_dashboard(snapshot: Snapshot, survey: Survey) -> DashboardRows:
    """Read what a dashboard shows from rollups, as far as they tell it."""
    current, previous = survey.ranges
    sums, old_sums = await sum_ranges(snapshot, survey.ranges, survey.unfolded)
    series, unknown = await _read_series(snapshot, survey)
    rows = await read_dashboard(
        snapshot, previous_start=survey.previous_start, period_starts=survey.period_starts, end=survey.end
    )
    return replace(
        rows,
        figures=_with_sums(rows.figures, sums),
        previous=_with_sums(rows.previous, old_sums),
        totals=[
            TypeTotal(name, sums.counts.get(name, 0), old_sums.counts.get(name, 0))
            for name in sorted(sums.counts | old_sums.counts)
        ],
        platforms=_platforms(sums),
        series=series,
        unknown=tuple(join_spans([*previous.unknown, *current.unknown])),
        unknown_series=unknown,
    )


async def _read_series(snapshot: Snapshot, survey: Survey) -> tuple[list[SeriesCount], tuple[Span, ...]]:
    ends = [*survey.period_starts[1:], survey.end]
    periods = [Span(*bounds) for bounds in zip(survey.period_starts, ends, strict=True)]
    covers = await cover_ranges(snapshot, periods, survey.unfolded, (Timeframe.DAY, Timeframe.HOUR))
    counts = await count_periods(snapshot, covers, survey.period_starts)
    series = [SeriesCount(period - 1, name, counts[period, name]) for period, name in sorted(counts)]
    return series, tuple(join_spans(span for found in covers for span in found.unknown))


def _with_sums(figures: Figures, sums: Sums) -> Figures:
    dwell, watched = sums.keys_of("viewDuration", "view"), sums.keys_of("watchDuration", "stream")
    return replace(
        figures,
        events=sums.events,
        revenue=_revenue(sums),
        mean_view_duration=_mean(dwell),
        streams=replace(figures.streams, watch_duration=float(watched.get("sum", 0))),
    )


def _revenue(sums: Sums) -> tuple[RevenueTotal, ...]:
    amounts, orders = sums.keys_of("revenue", "purchase"), sums.keys_of("orders", "purchase")
    return tuple(
        RevenueTotal(currency, f"{Decimal(amounts[currency]):f}", int(orders[currency])) for currency in sorted(amounts)
    )


def _mean(keys: Mapping[str, Number]) -> float | None:
    return mean(Decimal(keys["sum"]), int(keys["count"])) if keys else None


def _platforms(sums: Sums) -> list[tuple[str, int]]:
    events: dict[str, int] = {}
    for platforms in sums.types_of("platforms"):
        for platform, count in platforms.items():
            events[platform] = events.get(platform, 0) + int(count)
    return sorted(events.items(), key=lambda item: (-item[1], item[0]))
