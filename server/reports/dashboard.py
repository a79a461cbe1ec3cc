"""The dashboard: totals and series of a time range.

Example: rows in, `totals=[("purchase", 2, 1)]`, `series=[(2026-01-02T00:00Z, "purchase", 2)]` for the range 1 to 4
January; points out: 0, 2, 0 purchases for the three days.
"""

from collections.abc import Sequence
from datetime import datetime

from server.reports.buckets import Bucket, bucket_end, buckets_of, choose_bucket
from server.reports.scope import Scope, read_scope, to_timestamp
from sociallive.analytics.v1.dashboard_pb2 import (
    ContentTotal,
    EventTypeTotal,
    GetDashboardRequest,
    GetDashboardResponse,
    SeriesPoint,
)
from sociallive.analytics.v1.report_scope_pb2 import Revenue
from storage.dashboard_rows import DashboardRows, read_dashboard
from storage.reader import Snapshot

DEFAULT_TIMEFRAME = "7d"

DEFINITION = (
    "Events whose timestamp lies in [start_time, end_time). Users are distinct actors: the user id, or where that is "
    "missing the session id, or else the event itself; new users are those without an earlier event. Sessions are "
    "distinct session ids. Revenue sums the amounts of purchase events by currency. Mean view duration is over views "
    "that tell one. The previous count is that of the range of the same length just before. The series is by {bucket}."
)


async def answer(snapshot: Snapshot, question: GetDashboardRequest, now: datetime) -> GetDashboardResponse:
    """Answer GetDashboard.

    Raises:
        QuestionError: the scope makes no sense.
    """
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME)
    bucket = choose_bucket(scope)
    rows = await read_dashboard(
        snapshot, start=scope.start, end=scope.end, bucket=bucket.value, time_zone=scope.zone.key
    )
    return GetDashboardResponse(
        info=scope.describe(rows.as_of, DEFINITION.format(bucket=bucket.value)),
        events=sum(total.count for total in rows.totals),
        users=rows.users,
        sessions=rows.sessions,
        new_users=rows.new_users,
        totals=[
            EventTypeTotal(event_type=total.event_type, count=total.count, previous_count=total.previous_count)
            for total in rows.totals
        ],
        revenue=[Revenue(currency=row.currency, amount=row.amount, orders=row.orders) for row in rows.revenue],
        mean_view_duration=rows.mean_view_duration,
        series=_series(rows, scope, bucket, now),
        top_content=[
            ContentTotal(content_type=row.content_type, content_id=row.content_id, views=row.views)
            for row in rows.top_content
        ],
    )


def _series(rows: DashboardRows, scope: Scope, bucket: Bucket, now: datetime) -> Sequence[SeriesPoint]:
    """Fill the gaps: a point for every period and every type that has an event in range."""
    counts = {(row.time, row.event_type): row.count for row in rows.series}
    types = sorted({row.event_type for row in rows.series})
    times = sorted({*buckets_of(scope, bucket), *(row.time for row in rows.series)})
    points: list[SeriesPoint] = []
    for time in times:
        end = bucket_end(time, bucket, scope.zone)
        incomplete = time < scope.start or end > min(scope.end, now)
        stamp = to_timestamp(time)
        points.extend(
            SeriesPoint(time=stamp, event_type=name, count=counts.get((time, name), 0), incomplete=incomplete)
            for name in types
        )
    return points
