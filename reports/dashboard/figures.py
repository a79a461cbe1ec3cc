"""The figures and lists of a dashboard, from the summary of a range and what else is known of it."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

from reports.dashboard.rows import (
    TOP_CONTENT,
    TOP_PATHS,
    ContentViews,
    DashboardRows,
    Figures,
    PathOrders,
    RevenueTotal,
    SeriesCount,
    StreamTotals,
    TypeTotal,
)
from storage.summaries.forms.frequencies import Frequencies, find_most_frequent
from storage.summaries.forms.numbers import EXACTLY, Number, bare
from storage.summaries.summary import LARGEST, Summary

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DistinctFigures:
    """What does not add up from the events of a range.

    Attributes:
        users: distinct actors.
        known_new_users: those of them with a user or session whose first event ever lies in range.
        sessions: distinct sessions.
        length_us: what sessions last altogether, in microseconds.
        median_view_duration: in seconds.
        live_streams: distinct streams.
    """

    users: int
    known_new_users: int
    sessions: float
    length_us: float
    median_view_duration: float | None
    live_streams: int


@dataclass(frozen=True, slots=True)
class RangeFigures:
    """A range: what adds up, and what does not."""

    summary: Summary
    distinct: DistinctFigures

    def figures(self) -> Figures:
        """Write the figures."""
        summary, distinct = self.summary, self.distinct
        anonymous = sum(int(keys.get("anonymous", 0)) for keys in summary.types_of("actors"))
        return Figures(
            events=summary.events,
            revenue=_revenue(summary),
            mean_view_duration=_mean(summary.keys_of("viewDuration", "view")),
            users=distinct.users,
            new_users=distinct.known_new_users + anonymous,
            sessions=round(distinct.sessions),
            mean_session_duration=_mean_length(distinct.length_us, distinct.sessions),
            median_view_duration=distinct.median_view_duration,
            streams=_streams(summary, distinct.live_streams),
        )


def dashboard_of(current: RangeFigures, previous: RangeFigures, series: Mapping[tuple[int, str], int]) -> DashboardRows:
    """Write what a dashboard shows.

    Args:
        current: the range.
        previous: the range before.
        series: events by the place of their period, from 0, and type.
    """
    counts, old_counts = current.summary.counts, previous.summary.counts
    return DashboardRows(
        figures=current.figures(),
        previous=previous.figures(),
        totals=[
            TypeTotal(name, counts.get(name, 0), old_counts.get(name, 0)) for name in sorted({*counts, *old_counts})
        ],
        platforms=_platforms(current.summary),
        series=[SeriesCount(*key, count) for key, count in sorted(series.items()) if count],
        top_content=_top_content(current.summary.content),
        top_paths=_top_paths(current.summary.paths),
        as_of=_as_of(current.summary),
    )


def _top_content(content: Frequencies) -> list[ContentViews]:
    return [ContentViews(*thing, content.counts[thing]) for thing in find_most_frequent(content.counts, TOP_CONTENT)]


def _top_paths(paths: Frequencies) -> list[PathOrders]:
    currencies: defaultdict[str, list[str]] = defaultdict(list)
    orders: defaultdict[str, int] = defaultdict(int)
    for (currency, path), count in paths.counts.items():
        currencies[path].append(currency)
        orders[path] += count
    return [
        PathOrders(
            tuple(json.loads(path)),
            orders[path],
            tuple(
                RevenueTotal(currency, _text(paths.amounts[currency, path]), paths.counts[currency, path])
                for currency in sorted(currencies[path])
            ),
        )
        for path in find_most_frequent(orders, TOP_PATHS)
    ]


def _streams(summary: Summary, live_streams: int) -> StreamTotals:
    peak = summary.keys_of(LARGEST, "stream").get("viewers")
    return StreamTotals(
        live_streams=live_streams,
        peak_viewers=None if peak is None else int(peak),
        mean_viewers=_mean(summary.keys_of("viewers", "stream")),
        watch_duration=float(summary.keys_of("watchDuration", "stream").get("sum", 0)),
    )


def _as_of(summary: Summary) -> datetime | None:
    newest = max((keys["receivedAt"] for keys in summary.types_of(LARGEST)), default=None)
    return None if newest is None else EPOCH + timedelta(microseconds=int(newest))


def _revenue(summary: Summary) -> tuple[RevenueTotal, ...]:
    amounts, orders = summary.keys_of("revenue", "purchase"), summary.keys_of("orders", "purchase")
    return tuple(
        RevenueTotal(currency, _text(Decimal(amounts[currency])), int(orders[currency])) for currency in sorted(amounts)
    )


def _text(amount: Decimal) -> str:
    with localcontext(EXACTLY):
        return f"{bare(amount):f}"


def _mean(keys: Mapping[str, Number]) -> float | None:
    return float(Fraction(keys["sum"]) / int(keys["count"])) if keys else None


def _mean_length(length_us: float, sessions: float) -> float | None:
    """Divide; the answer is in seconds, to the microsecond."""
    return timedelta(microseconds=length_us) / sessions / timedelta(seconds=1) if sessions else None


def _platforms(summary: Summary) -> Sequence[tuple[str, int]]:
    events: dict[str, int] = {}
    for platforms in summary.types_of("platforms"):
        for platform, count in platforms.items():
            events[platform] = events.get(platform, 0) + int(count)
    return sorted(events.items(), key=lambda item: (-item[1], item[0]))
