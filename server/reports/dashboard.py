"""The dashboard: totals and series of a time range.

Example: rows in, `totals=[("purchase", 2, 1)]`, `series=[(1, "purchase", 2)]` for the range 1 to 4 January; points out:
0, 2, 0 purchases for the three days.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from reports.dashboard.reading import AgedOutError, DashboardReader
from reports.dashboard.rows import (
    DashboardQuestion,
    DashboardRows,
    Estimate,
    Figures,
    RevenueTotal,
    StreamTotals,
)
from server.reports.buckets import Bucket, bucket_end, buckets_of, choose_bucket
from server.reports.errors import QuestionError
from server.reports.scope import LONGEST_REPORT, Scope, read_scope, to_timestamp
from sociallive.analytics.v1.dashboard_pb2 import (
    ContentTotal,
    ConversionPathTotal,
    EventTypeTotal,
    GetDashboardRequest,
    GetDashboardResponse,
    PlatformTotal,
    Precision,
    PreviousFigures,
    SeriesPoint,
    StreamFigures,
    TimeRange,
)
from sociallive.analytics.v1.dashboard_pb2 import Estimate as EstimateMessage
from sociallive.analytics.v1.report_scope_pb2 import Revenue

DEFAULT_TIMEFRAME = "7d"
_IS_EXACT: Mapping[Precision, bool | None] = {
    Precision.PRECISION_UNSPECIFIED: None,
    Precision.PRECISION_EXACT: True,
    Precision.PRECISION_ESTIMATED: False,
}

DEFINITION = (
    "Events whose timestamp lies in [start_time, end_time). Users are distinct actors: the user id; without one, the "
    "session id; without both, the event itself; new users are those without an earlier event. Sessions are "
    "those with an event in range: a session id is one session; an actor's events without one are a session until 30 "
    "minutes pass without any, for 24 hours at most. Revenue sums the amounts of purchase events by currency; each is "
    "an order. View durations come from views, viewers and watch durations from stream events. "
    "Previous figures are those of the range of the same length just before. The series is by {bucket}."
)


async def answer(
    reader: DashboardReader, question: GetDashboardRequest, now: datetime, timeout_s: float
) -> GetDashboardResponse:
    """Answer GetDashboard.

    Args:
        reader: of this process.
        question: the request.
        now: the current time, aware.
        timeout_s: for all of it.

    Raises:
        QuestionError: the scope makes no sense, or an exact answer is asked for and some events are gone.
        StorageError: what was asked for cannot be read.
    """
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME, longest=LONGEST_REPORT)
    bucket = choose_bucket(scope)
    times = list(buckets_of(scope, bucket))
    asked = DashboardQuestion(scope.previous_start, [scope.start, *times[1:]], scope.end)
    try:
        rows = await reader.read(asked, timeout_s, is_exact=_IS_EXACT[question.precision])
    except AgedOutError:
        raise QuestionError(
            "precision", "PRECISION_EXACT needs raw events, and some of this range or the one before it are gone"
        ) from None
    figures = rows.figures
    return GetDashboardResponse(
        info=scope.describe(rows.as_of, DEFINITION.format(bucket=bucket.value)),
        events=figures.events,
        users=figures.users,
        sessions=figures.sessions,
        new_users=figures.new_users,
        totals=[
            EventTypeTotal(event_type=total.event_type, count=total.count, previous_count=total.previous_count)
            for total in rows.totals
        ],
        revenue=_revenue(figures.revenue),
        mean_view_duration=figures.mean_view_duration,
        series=_series(rows, times, scope, bucket, now),
        top_content=[
            ContentTotal(content_type=row.content_type, content_id=row.content_id, views=row.views)
            for row in rows.top_content
        ],
        orders=figures.orders,
        median_view_duration=figures.median_view_duration,
        mean_session_duration=figures.mean_session_duration,
        streams=_streams(figures.streams),
        platforms=[PlatformTotal(platform=name, events=events) for name, events in rows.platforms],
        conversion_paths=[
            ConversionPathTotal(steps=path.steps, orders=path.orders, revenue=_revenue(path.revenue))
            for path in rows.top_paths
        ],
        previous=_previous(rows.previous),
        estimates=[_estimate(estimate) for estimate in rows.estimates],
        missing_ranges=[
            TimeRange(start_time=to_timestamp(span.start), end_time=to_timestamp(span.end)) for span in rows.unknown
        ],
    )


def _estimate(estimate: Estimate) -> EstimateMessage:
    return EstimateMessage(
        figure=estimate.figure,
        standard_error=estimate.standard_error,
        largest_error=estimate.largest_error,
        largest_count=estimate.largest_count,
    )


def _previous(figures: Figures) -> PreviousFigures:
    return PreviousFigures(
        events=figures.events,
        users=figures.users,
        sessions=figures.sessions,
        new_users=figures.new_users,
        orders=figures.orders,
        revenue=_revenue(figures.revenue),
        mean_view_duration=figures.mean_view_duration,
        median_view_duration=figures.median_view_duration,
        mean_session_duration=figures.mean_session_duration,
        streams=_streams(figures.streams),
    )


def _streams(totals: StreamTotals) -> StreamFigures:
    return StreamFigures(
        live_streams=totals.live_streams,
        peak_viewers=totals.peak_viewers,
        mean_viewers=totals.mean_viewers,
        watch_duration=totals.watch_duration,
    )


def _revenue(rows: Iterable[RevenueTotal]) -> list[Revenue]:
    return [Revenue(currency=row.currency, amount=row.amount, orders=row.orders) for row in rows]


def _series(
    rows: DashboardRows, times: Sequence[datetime], scope: Scope, bucket: Bucket, now: datetime
) -> list[SeriesPoint]:
    """Fill the gaps: a point for every period and every type that has an event in range."""
    counts = {(row.place, row.event_type): row.count for row in rows.series}
    types = sorted({event_type for _, event_type in counts})
    points: list[SeriesPoint] = []
    for place, time in enumerate(times):
        end = bucket_end(time, bucket, scope.zone)
        complete = (
            scope.start <= time
            and end <= min(scope.end, now)
            and not any(span.start < end and time < span.end for span in rows.unknown_series)
        )
        stamp = to_timestamp(time)
        points.extend(
            SeriesPoint(time=stamp, event_type=name, count=counts.get((place, name), 0), complete=complete)
            for name in types
        )
    return points
