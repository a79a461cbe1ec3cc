"""The rows of a dashboard."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from asyncpg import Record

from storage.postgres.reader import Snapshot
from storage.reports.predicates import Query
from storage.rollups.cover import Span
from storage.sql import statement

TOP_CONTENT = 10
TOP_PATHS = 10
"""A dashboard shows so many; longer lists are a report of their own."""


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """Events of a type in range, and in the range of the same length just before."""

    event_type: str
    count: int
    previous_count: int


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """Events of a type in the period of this place among those asked for."""

    place: int
    event_type: str
    count: int


@dataclass(frozen=True, slots=True)
class RevenueTotal:
    """Purchases in a currency; `amount` is an exact decimal as text."""

    currency: str
    amount: str
    orders: int


@dataclass(frozen=True, slots=True)
class ContentViews:
    """Views of a content."""

    content_type: str
    content_id: str
    views: int


@dataclass(frozen=True, slots=True)
class PathOrders:
    """Purchases at the end of a conversion path."""

    steps: tuple[str, ...]
    orders: int
    revenue: tuple[RevenueTotal, ...]


@dataclass(frozen=True, slots=True)
class StreamTotals:
    """What happened in live streams; viewers are None where no event tells them, what was watched is in seconds."""

    live_streams: int
    peak_viewers: int | None
    mean_viewers: float | None
    watch_duration: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one range; durations are means and medians in seconds, None where nothing tells any.

    Those that add up over ranges come first: rollups of hours will know them. The others need the events themselves.
    """

    events: int
    revenue: tuple[RevenueTotal, ...]
    mean_view_duration: float | None

    users: int
    new_users: int
    sessions: int
    mean_session_duration: float | None
    median_view_duration: float | None
    streams: StreamTotals

    @property
    def orders(self) -> int:
        """Purchases in all currencies."""
        return sum(row.orders for row in self.revenue)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How far a figure may be off; one of the errors is set.

    Attributes:
        figure: the path of its field in the answer.
        standard_error: as a share of it.
        largest_error: likewise, at most.
        largest_count: how much each count of a list is too low at most.
    """

    figure: str
    standard_error: float | None = None
    largest_error: float | None = None
    largest_count: int | None = None


@dataclass(frozen=True, slots=True)
class DashboardRows:
    """What a dashboard shows. Only types, platforms and periods with an event occur."""

    figures: Figures
    previous: Figures
    totals: Sequence[TypeTotal]
    platforms: Sequence[tuple[str, int]]
    """(platform, events), most events first; empty texts where events tell none."""
    series: Sequence[SeriesCount]
    top_content: Sequence[ContentViews]
    top_paths: Sequence[PathOrders]
    as_of: datetime | None
    estimates: Sequence[Estimate] = ()
    """Empty where all figures are exact."""
    unknown: Sequence[Span] = ()
    """Parts of both ranges whose events have aged out so far that nothing tells what happened in them."""
    unknown_series: Sequence[Span] = ()
    """Likewise for the periods of the series, which need shorter rollups."""


async def read_dashboard(
    snapshot: Snapshot,
    *,
    previous_start: datetime,
    period_starts: Sequence[datetime],
    end: datetime,
    newcomers: Sequence[int],
) -> DashboardRows:
    """Read what a dashboard shows of a range, and of the one before, from their raw events.

    Args:
        snapshot: what to read from.
        previous_start: first moment of the range before, aware.
        period_starts: first moments of the periods of the series, ascending; the first one is the range's own.
        end: first moment after the range, aware.
        newcomers: how many users and sessions were seen first in the range, and in the one before; older events tell.
    """
    queries = dashboard_queries(previous_start=previous_start, period_starts=period_starts, end=end)
    answers = await snapshot.fetch_each(queries)
    (users,), sessions, old_sessions, counts, dwell, old_dwell, content, streams, old_streams, *purchases = answers
    revenue, old_revenue, paths = purchases
    current = [row for row in counts if row["period"]]
    return DashboardRows(
        figures=_figures(
            current, revenue, dwell[0], (users["users"], newcomers[0] + users["anonymous"]), sessions[0], streams[0]
        ),
        previous=_figures(
            [row for row in counts if not row["period"]],
            old_revenue,
            old_dwell[0],
            (users["previous_users"], newcomers[1] + users["previous_anonymous"]),
            old_sessions[0],
            old_streams[0],
        ),
        totals=_totals(counts),
        platforms=_platforms(current),
        series=_series(current),
        top_content=[ContentViews(row["content_type"], row["content_id"], row["views"]) for row in content],
        top_paths=[_path(path, list(rows)) for path, rows in groupby(paths, key=itemgetter("path"))],
        as_of=max((row["as_of"] for row in current), default=None),
    )


def dashboard_queries(*, previous_start: datetime, period_starts: Sequence[datetime], end: datetime) -> list[Query]:
    """Write the statements of a dashboard, whose parameters are those of `read_dashboard`."""
    start = period_starts[0]
    inside, before = (start, end), (previous_start, start)
    # Those that take longest first.
    return [
        _query("users", previous_start, start, end),
        _query("sessions", *inside),
        _query("sessions", *before),
        _query("counts", previous_start, end, list(period_starts)),
        _query("dwell", *inside),
        _query("dwell", *before),
        _query("content", *inside, TOP_CONTENT),
        _query("streams", *inside),
        _query("streams", *before),
        _query("revenue", *inside),
        _query("revenue", *before),
        _query("paths", *inside, TOP_PATHS),
    ]


def _query(name: str, *parameters: object) -> Query:
    return Query(statement(f"read/dashboard_{name}"), parameters)


def _figures(
    counts: Iterable[Record],
    revenue: Iterable[Record],
    dwell: Record,
    counted_users: tuple[int, int],
    sessions: Record,
    streams: Record,
) -> Figures:
    users, new_users = counted_users
    return Figures(
        events=sum(row["count"] for row in counts),
        revenue=tuple(_revenue(row) for row in revenue),
        mean_view_duration=mean(dwell["duration"], dwell["views"]),
        users=users,
        new_users=new_users,
        sessions=sessions["sessions"],
        mean_session_duration=mean_length(sessions["length_us"], sessions["sessions"]),
        median_view_duration=dwell["median"],
        streams=StreamTotals(
            live_streams=streams["live_streams"],
            peak_viewers=None if streams["peak_viewers"] is None else int(streams["peak_viewers"]),
            mean_viewers=mean(streams["viewers"], streams["viewer_counts"]),
            watch_duration=float(streams["watch_duration"]),
        ),
    )


def _totals(counts: Iterable[Record]) -> list[TypeTotal]:
    totals: dict[str, list[int]] = {}
    for row in counts:
        totals.setdefault(row["event_type"], [0, 0])[not row["period"]] += row["count"]
    return [TypeTotal(name, *totals[name]) for name in sorted(totals)]


def _platforms(counts: Iterable[Record]) -> list[tuple[str, int]]:
    events: dict[str, int] = {}
    for row in counts:
        platform = row["platform"] or ""
        events[platform] = events.get(platform, 0) + row["count"]
    return sorted(events.items(), key=lambda item: (-item[1], item[0]))


def _series(counts: Iterable[Record]) -> list[SeriesCount]:
    series: dict[tuple[int, str], int] = {}
    for row in counts:
        key = (row["period"] - 1, row["event_type"])
        series[key] = series.get(key, 0) + row["count"]
    return [SeriesCount(*key, series[key]) for key in sorted(series)]


def _path(path: str, rows: Sequence[Record]) -> PathOrders:
    return PathOrders(tuple(json.loads(path)), sum(row["orders"] for row in rows), tuple(map(_revenue, rows)))


def _revenue(row: Record) -> RevenueTotal:
    return RevenueTotal(row["currency"], f"{row['amount']:f}", row["orders"])


def mean(total: Decimal | None, count: int) -> float | None:
    """Divide exact sums, which are the same in whatever order Postgres adds up; sums of doubles are not."""
    return None if total is None else float(total / count)


def mean_length(length_us: float, sessions: float) -> float | None:
    """Divide the sum of lengths in microseconds by how many sessions there are; seconds, to the microsecond."""
    return timedelta(microseconds=length_us) / sessions / timedelta(seconds=1) if sessions else None
