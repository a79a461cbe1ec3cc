"""The rows of a dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from storage.reader import Snapshot

TOP_CONTENT = 10
"""A dashboard shows so many; longer lists are a report of their own."""


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """Events of a type in range, and in the range of the same length just before."""

    event_type: str
    count: int
    previous_count: int


@dataclass(frozen=True, slots=True)
class RevenueTotal:
    """Purchases in a currency; `amount` is an exact decimal as text."""

    currency: str
    amount: str
    orders: int


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """Events of a type in the period that begins at `time` (UTC)."""

    time: datetime
    event_type: str
    count: int


@dataclass(frozen=True, slots=True)
class ContentViews:
    """Views of a content."""

    content_type: str
    content_id: str
    views: int


@dataclass(frozen=True, slots=True)
class DashboardRows:
    """What a dashboard shows. Only types and periods with an event occur; `mean_view_duration` is in seconds."""

    totals: Sequence[TypeTotal]
    users: int
    sessions: int
    new_users: int
    revenue: Sequence[RevenueTotal]
    mean_view_duration: float | None
    series: Sequence[SeriesCount]
    top_content: Sequence[ContentViews]
    as_of: datetime | None


async def read_dashboard(
    snapshot: Snapshot, *, start: datetime, end: datetime, bucket: str, time_zone: str
) -> DashboardRows:
    """Read what a dashboard shows of [start, end).

    Args:
        snapshot: what to read from.
        start: first moment, aware.
        end: first moment after the range, aware.
        bucket: "minute", "hour" or "day": the periods of the series.
        time_zone: IANA name of the zone that the periods belong to.
    """
    totals = await snapshot.fetch("dashboard_totals", start - (end - start), start, end)
    actors = await snapshot.fetch_one("dashboard_actors", start, end)
    sessions = await snapshot.fetch_one("dashboard_sessions", start, end)
    revenue = await snapshot.fetch("dashboard_revenue", start, end)
    views = await snapshot.fetch_one("dashboard_view_duration", start, end)
    content = await snapshot.fetch("dashboard_content", start, end, TOP_CONTENT)
    return DashboardRows(
        totals=[TypeTotal(row["event_type"], row["count"], row["previous_count"]) for row in totals],
        users=actors["users"],
        sessions=sessions["sessions"],
        new_users=actors["new_users"],
        revenue=[RevenueTotal(row["currency"], f"{row['amount']:f}", row["orders"]) for row in revenue],
        mean_view_duration=views["mean_view_duration"],
        series=await _series(snapshot, start, end, bucket, time_zone),
        top_content=[ContentViews(row["content_type"], row["content_id"], row["views"]) for row in content],
        as_of=max((row["as_of"] for row in totals if row["as_of"] is not None), default=None),
    )


async def _series(snapshot: Snapshot, start: datetime, end: datetime, bucket: str, time_zone: str) -> list[SeriesCount]:
    if bucket == "day":
        zone = ZoneInfo(time_zone)
        return [
            SeriesCount(_midnight(row["day"], zone), row["event_type"], row["count"])
            for row in await snapshot.fetch("dashboard_days", start, end, time_zone)
        ]
    return [
        SeriesCount(row["time"], row["event_type"], row["count"])
        for row in await snapshot.fetch("dashboard_clock", start, end, time_zone, bucket)
    ]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)
