"""The dashboard by brute force, written from docs/reports.md and not from the code."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from reports.dashboard.rows import (
    ContentViews,
    DashboardRows,
    Figures,
    PathOrders,
    RevenueTotal,
    SeriesCount,
    StreamTotals,
    TypeTotal,
)

INACTIVITY = timedelta(minutes=30)
LONGEST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, as far as the dashboard looks at it."""

    actor_id: str
    session_id: str | None
    timestamp: datetime
    received_at: datetime
    event_type: str
    platform: str | None
    data: dict[str, Any]


def expected_dashboard(
    events: Sequence[Seen], start: datetime, end: datetime, *, places: dict[object, int], bucket: str, zone: ZoneInfo
) -> DashboardRows:
    """Work the dashboard of [start, end) out.

    Args:
        events: all there are.
        start: first moment.
        end: first moment after.
        places: the place of each period by its name, as `period_name` gives it.
        bucket: "minute", "hour" or "day".
        zone: whose clock names the periods.
    """
    previous_start = start - (end - start)
    inside = [event for event in events if start <= event.timestamp < end]
    before = [event for event in events if previous_start <= event.timestamp < start]
    counts, old_counts = (Counter(event.event_type for event in some) for some in (inside, before))
    platforms = Counter(event.platform or "" for event in inside)
    series = Counter((places[period_name(event.timestamp, bucket, zone)], event.event_type) for event in inside)
    contents = Counter(
        (event.data["contentType"], event.data["contentId"]) for event in inside if event.event_type == "view"
    )
    return DashboardRows(
        figures=_figures(events, inside, start),
        previous=_figures(events, before, previous_start),
        totals=[TypeTotal(name, counts[name], old_counts[name]) for name in sorted(counts | old_counts)],
        platforms=sorted(platforms.items(), key=lambda item: (-item[1], item[0])),
        series=[SeriesCount(*key, series[key]) for key in sorted(series)],
        top_content=[
            ContentViews(*key, views) for key, views in sorted(contents.items(), key=lambda item: (-item[1], item[0]))
        ][:10],
        top_paths=_paths(inside),
        as_of=max((event.received_at for event in inside), default=None),
    )


def period_name(moment: datetime, bucket: str, zone: ZoneInfo) -> object:
    """Name the period of a moment: the local date, and the clock's hour and minute with its offset."""
    local = moment.astimezone(zone)
    if bucket == "day":
        return local.date()
    return local.date(), local.hour, local.minute if bucket == "minute" else None, local.utcoffset()


def inferred_sessions(times: Iterable[datetime]) -> Iterator[tuple[int, timedelta]]:
    """Divide the times of an actor's events without session id; yield how many sessions follow each other, how long.

    A session that lasts is cut every 24 hours from its first event; its parts are yielded together.
    """
    first = last = None
    for time in sorted(times):
        if first is None or last is None or time - last >= INACTIVITY:
            if first is not None and last is not None:
                yield 1 + (last - first) // LONGEST, last - first
            first = time
        last = time
    if first is not None and last is not None:
        yield 1 + (last - first) // LONGEST, last - first


def _figures(events: Sequence[Seen], inside: Sequence[Seen], start: datetime) -> Figures:
    actors = {event.actor_id for event in inside}
    older = {event.actor_id for event in events if event.timestamp < start}
    sessions, length = _sessions(inside)
    dwell = _told(inside, "view", "viewDuration")
    viewers, watched = _told(inside, "stream", "viewerCount"), _told(inside, "stream", "watchDuration")
    return Figures(
        events=len(inside),
        revenue=_revenue(event for event in inside if event.event_type == "purchase"),
        mean_view_duration=_mean(dwell),
        users=len(actors),
        new_users=len(actors - older),
        sessions=sessions,
        mean_session_duration=length / sessions / timedelta(seconds=1) if sessions else None,
        median_view_duration=float(median(dwell)) if dwell else None,
        streams=StreamTotals(
            live_streams=len({event.data["streamId"] for event in inside if event.event_type == "stream"}),
            peak_viewers=int(max(viewers)) if viewers else None,
            mean_viewers=_mean(viewers),
            watch_duration=float(sum(watched)),
        ),
    )


def _sessions(inside: Sequence[Seen]) -> tuple[int, timedelta]:
    identified: dict[str, list[datetime]] = defaultdict(list)
    others: dict[str, list[datetime]] = defaultdict(list)
    for event in inside:
        if event.session_id is not None:
            identified[event.session_id].append(event.timestamp)
        else:
            others[event.actor_id].append(event.timestamp)
    parts = [(1, max(times) - min(times)) for times in identified.values()]
    parts += [part for times in others.values() for part in inferred_sessions(times)]
    return sum(count for count, _ in parts), sum((length for _, length in parts), timedelta())


def _paths(inside: Sequence[Seen]) -> list[PathOrders]:
    paths: dict[tuple[str, ...], list[Seen]] = defaultdict(list)
    for event in inside:
        if event.event_type == "purchase" and "conversionPath" in event.data:
            paths[tuple(event.data["conversionPath"])].append(event)
    found = [PathOrders(steps, len(some), _revenue(some)) for steps, some in paths.items()]
    return sorted(found, key=lambda path: (-path.orders, str(list(path.steps)).replace("'", '"')))[:10]


def _revenue(purchases: Iterable[Seen]) -> tuple[RevenueTotal, ...]:
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for event in purchases:
        amounts[event.data["currency"]].append(event.data["amount"])
    return tuple(
        RevenueTotal(currency, f"{sum(amounts[currency], Decimal(0)):f}", len(amounts[currency]))
        for currency in sorted(amounts)
    )


def _told(inside: Sequence[Seen], event_type: str, field: str) -> list[Decimal]:
    return [Decimal(event.data[field]) for event in inside if event.event_type == event_type and field in event.data]


def _mean(values: Sequence[Decimal]) -> float | None:
    return float(Fraction(sum(values, Decimal(0))) / len(values)) if values else None
