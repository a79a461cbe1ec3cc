"""The rows of a dashboard from rollups: what adds up costs the same for any number of events."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from storage.postgres.reader import Snapshot
from storage.reports.dashboard_rows import (
    TOP_CONTENT,
    TOP_PATHS,
    ContentViews,
    DashboardRows,
    Estimate,
    Figures,
    PathOrders,
    RevenueTotal,
    SeriesCount,
    StreamTotals,
    TypeTotal,
    mean,
    mean_length,
)
from storage.rollups.aged import RangeCover, cover_ranges
from storage.rollups.cover import LONGEST_FIRST, Span, join_spans
from storage.rollups.facets import RANKINGS, SUMS
from storage.rollups.forms.frequencies import Frequencies, Rankings, find_most_frequent
from storage.rollups.forms.lengths import LARGEST_ERROR, find_median
from storage.rollups.forms.numbers import Number
from storage.rollups.forms.session_sample import estimate_errors, estimate_sessions
from storage.rollups.forms.sketch import STANDARD_ERROR
from storage.rollups.newcomers import count_newcomers
from storage.rollups.periods import Timeframe
from storage.rollups.raw.counting import count_periods
from storage.rollups.raw.unfolded import Unfolded, find_unfolded
from storage.rollups.reading import FoundRollups, find_rollups, read
from storage.rollups.sums import LARGEST, Sums

SERIES_TIMEFRAMES = (Timeframe.DAY, Timeframe.HOUR)
"""No period of a series is longer than a day."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a range and of the one before it, before any of it is read.

    Attributes:
        period_starts: first moments of the periods of the series, ascending; the first one is the range's own.
        ranges: what the range, and the one before, are read from.
        series: what makes up the periods of the series.
        unfolded: all that is not folded until the end.
        unknown: parts of both ranges of which nothing tells what happened in them.
        newcomers: how many users and sessions were first seen in the range, and in the one before.
        aged_out: whether some of their raw events are gone.
    """

    period_starts: Sequence[datetime]
    ranges: Sequence[FoundRollups]
    series: Sequence[RangeCover]
    unfolded: Unfolded
    unknown: Sequence[Span]
    newcomers: Sequence[int]
    aged_out: bool

    @property
    def events_at_most(self) -> int:
        """How many events both ranges have; hours that they cut count as a whole."""
        return sum(found.events_at_most for found in self.ranges)


async def survey_dashboard(
    snapshot: Snapshot, *, previous_start: datetime, period_starts: Sequence[datetime], end: datetime
) -> Survey:
    """Find out what a range and the one before it are made up of; arguments are those of `read_dashboard`."""
    start = period_starts[0]
    hour, day, month = (
        timeframe.start_of(previous_start) for timeframe in (Timeframe.HOUR, Timeframe.DAY, Timeframe.MONTH)
    )
    last_hour = Timeframe.HOUR.start_of(end)
    next_hour = end if end == last_hour else Timeframe.HOUR.end_of(last_hour)
    with snapshot.expecting(little=True):
        aged = await snapshot.fetch_one("aged_out", hour, day, month, end, next_hour)
        if not aged["aged_out"] and not aged["goes_on"]:
            end = next_hour  # which need not be cut, then: who asks until now asks for all there is
        unfolded = await find_unfolded(snapshot, end)
        spans = [Span(start, end), Span(previous_start, start)]
        periods = [Span(*bounds) for bounds in zip(period_starts, [*period_starts[1:], end], strict=True)]
        asked = [(span, LONGEST_FIRST) for span in spans] + [(period, SERIES_TIMEFRAMES) for period in periods]
        covers = await cover_ranges(snapshot, asked, unfolded.opaque)
        current, previous = covers[: len(spans)]
        return Survey(
            period_starts=period_starts,
            ranges=await find_rollups(snapshot, [current, previous], unfolded),
            series=covers[len(spans) :],
            unfolded=unfolded,
            newcomers=await count_newcomers(snapshot, spans, unfolded),
            unknown=join_spans([*previous.unknown, *current.unknown]),
            aged_out=aged["aged_out"],
        )


async def sum_dashboard(snapshot: Snapshot, survey: Survey) -> DashboardRows:
    """Read what a dashboard shows from rollups, and from raw events where these lack them or are cut."""
    with snapshot.expecting(little=True):
        known, old_known = await read(snapshot, survey.ranges, survey.unfolded, SUMS)
        (ranked,) = await read(snapshot, survey.ranges[:1], survey.unfolded, RANKINGS)
        counts = await count_periods(snapshot, survey.series, survey.unfolded, survey.period_starts, known.cut)
    sums, old_sums, rankings = known.whole, old_known.whole, ranked.whole
    return DashboardRows(
        figures=_figures(sums, survey.newcomers[0]),
        previous=_figures(old_sums, survey.newcomers[1]),
        totals=[
            TypeTotal(name, sums.counts.get(name, 0), old_sums.counts.get(name, 0))
            for name in sorted({*sums.counts, *old_sums.counts})
        ],
        platforms=_platforms(sums),
        series=[SeriesCount(period - 1, name, counts[period, name]) for period, name in sorted(counts)],
        top_content=_top_content(rankings.content),
        top_paths=_top_paths(rankings.paths),
        as_of=_as_of(sums),
        estimates=list(_estimates(sums, old_sums, rankings)),
        unknown=survey.unknown,
        unknown_series=join_spans(span for found in survey.series for span in found.unknown),
    )


def _estimates(sums: Sums, old_sums: Sums, rankings: Rankings) -> Iterator[Estimate]:
    yield Estimate("users", standard_error=STANDARD_ERROR)
    errors = [estimate_errors(some.sample) for some in (sums, old_sums)]
    if any(error.sessions for error in errors):
        yield Estimate("sessions", standard_error=max(error.sessions for error in errors))
        yield Estimate("mean_session_duration", standard_error=max(error.mean_length for error in errors))
    yield Estimate("median_view_duration", largest_error=LARGEST_ERROR)
    yield Estimate("streams.live_streams", standard_error=STANDARD_ERROR)
    for figure, frequencies in (("top_content", rankings.content), ("conversion_paths", rankings.paths)):
        if frequencies.error:
            yield Estimate(figure, largest_count=frequencies.error)


def _figures(sums: Sums, newcomers: int) -> Figures:
    anonymous = sum(int(keys.get("anonymous", 0)) for keys in sums.types_of("actors"))
    buckets = {int(bucket): int(count) for bucket, count in sums.keys_of("viewDurations", "view").items()}
    sessions = estimate_sessions(sums.sample)
    return Figures(
        events=sums.events,
        revenue=_revenue(sums),
        mean_view_duration=_mean(sums.keys_of("viewDuration", "view")),
        users=sums.users,
        new_users=newcomers + anonymous,
        sessions=round(sessions.sessions),
        mean_session_duration=mean_length(sessions.length_us, sessions.sessions),
        median_view_duration=find_median(buckets),
        streams=_streams(sums),
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
                RevenueTotal(currency, f"{paths.amounts[currency, path]:f}", paths.counts[currency, path])
                for currency in sorted(currencies[path])
            ),
        )
        for path in find_most_frequent(orders, TOP_PATHS)
    ]


def _streams(sums: Sums) -> StreamTotals:
    peak = sums.keys_of(LARGEST, "stream").get("viewers")
    return StreamTotals(
        live_streams=sums.live_streams,
        peak_viewers=None if peak is None else int(peak),
        mean_viewers=_mean(sums.keys_of("viewers", "stream")),
        watch_duration=float(sums.keys_of("watchDuration", "stream").get("sum", 0)),
    )


def _as_of(sums: Sums) -> datetime | None:
    newest = max((keys["receivedAt"] for keys in sums.types_of(LARGEST)), default=None)
    return None if newest is None else EPOCH + timedelta(microseconds=int(newest))


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
