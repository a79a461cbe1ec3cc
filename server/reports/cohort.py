"""Acquisition cohorts: what actors do in the periods after they first came.

Example: rows in, cohort 1: period 1 with 3 users and 5 events, period 2 with 1 user and 2 events; out, a cohort of
size 3 whose periods have the shares 1.0 and 0.33.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from server.reports.periods import count_cohorts, read_calendar
from server.reports.scope import LONGEST_REPORT, Scope, read_scope, to_timestamp
from server.reports.steps import format_step, parse_step
from sociallive.analytics.v1.cohort_pb2 import Cohort, CohortPeriod, GetCohortRequest, GetCohortResponse
from sociallive.analytics.v1.report_scope_pb2 import Revenue
from sociallive.analytics.v1.retention_pb2 import WeekStart
from storage.postgres.reader import Snapshot
from storage.reports.cohort_rows import PeriodRow, read_cohorts
from storage.reports.cohort_sql import CohortQuestion

DEFAULT_TIMEFRAME = "30d"
DEFINITION = (
    "An actor joins by its first {step} ever, if that lies in [start_time, end_time), and is in the cohort of that "
    "calendar {length}. Periods are calendar {length}s of the time zone, counted from the cohort's own, up to "
    "end_time. The figures cover what members do from the moment they join: members with an event, their events, and "
    "the amounts of their purchases by currency."
)


async def answer(snapshot: Snapshot, question: GetCohortRequest, now: datetime) -> GetCohortResponse:
    """Answer GetCohort.

    Raises:
        QuestionError: the scope, the step or the granularity makes no sense.
    """
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME, longest=LONGEST_REPORT)
    calendar = read_calendar(question.granularity, WeekStart.WEEK_START_UNSPECIFIED, scope.zone)
    count = count_cohorts(calendar, scope)
    bounds = tuple(calendar.starts(scope.start, count + 1))
    step = parse_step(question.step, "step", any_event=True)
    rows = await read_cohorts(snapshot, CohortQuestion(scope.start, scope.end, step, bounds))
    return GetCohortResponse(
        info=scope.describe(
            rows.as_of, DEFINITION.format(step=format_step(step) or "event", length=calendar.length.value)
        ),
        cohorts=[_write_cohort(number, rows.periods, bounds, scope, now) for number in range(1, count + 1)],
    )


def _write_cohort(
    number: int,
    rows: Mapping[tuple[int, int], PeriodRow],
    bounds: tuple[datetime, ...],
    scope: Scope,
    now: datetime,
) -> Cohort:
    """Write a cohort with all its periods, also those without an event; `number` counts from 1."""
    nothing = PeriodRow(users=0, events=0)
    size = rows.get((number, number), nothing).users
    events = 0
    revenue: dict[str, tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    periods = []
    for period in range(number, len(bounds)):
        row = rows.get((number, period), nothing)
        events += row.events
        for currency, (amount, orders) in row.revenue.items():
            revenue[currency] = revenue[currency][0] + amount, revenue[currency][1] + orders
        periods.append(
            CohortPeriod(
                index=period - number,
                users=row.users,
                events=row.events,
                revenue=_write_revenue(row.revenue),
                complete=bounds[period] <= min(now, scope.end),
                share=row.users / size if size else 0.0,
                cumulative_events=events,
                cumulative_revenue=_write_revenue(revenue),
            )
        )
    return Cohort(start_time=to_timestamp(bounds[number - 1]), size=size, periods=periods)


def _write_revenue(revenue: Mapping[str, tuple[Decimal, int]]) -> list[Revenue]:
    return [
        Revenue(currency=currency, amount=f"{amount:f}", orders=orders)
        for currency, (amount, orders) in sorted(revenue.items())
    ]
