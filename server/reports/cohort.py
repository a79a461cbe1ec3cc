"""Acquisition cohorts: what actors do in the periods after they first came.

Example: sums in, a cohort with 3 users and 5 events in its own period, and 1 user and 2 events in the next; out, a
cohort of size 3 whose periods have the shares 1.0 and 0.33.
"""

from collections.abc import Sequence
from datetime import datetime

from reports.cohort import EXACT, ByCurrency, CohortQuestion, CohortSums, add_revenue, read_cohorts
from server.reports.periods import count_cohorts, read_calendar
from server.reports.scope import LONGEST_REPORT, read_scope, to_timestamp
from server.reports.steps import format_step, parse_step
from sociallive.analytics.v1.cohort_pb2 import Cohort, CohortPeriod, GetCohortRequest, GetCohortResponse
from sociallive.analytics.v1.report_scope_pb2 import Revenue
from sociallive.analytics.v1.retention_pb2 import WeekStart
from storage.segments.snapshot import EventSnapshot

DEFAULT_TIMEFRAME = "30d"
DEFINITION = (
    "An actor joins by its first {step} ever, if that lies in [start_time, end_time), and is in the cohort of that "
    "calendar {length}. Periods are calendar {length}s of the time zone, counted from the cohort's own, up to "
    "end_time. The figures cover what members do from the moment they join: members with an event, their events, and "
    "the amounts of their purchases by currency."
)


async def answer(snapshot: EventSnapshot, question: GetCohortRequest, now: datetime) -> GetCohortResponse:
    """Answer GetCohort.

    Raises:
        QuestionError: the scope, the step or the granularity makes no sense.
    """
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME, longest=LONGEST_REPORT)
    calendar = read_calendar(question.granularity, WeekStart.WEEK_START_UNSPECIFIED, scope.zone)
    count = count_cohorts(calendar, scope)
    bounds = tuple(calendar.starts(scope.start, count + 1))
    step = parse_step(question.step, "step", any_event=True)
    sums = await read_cohorts(snapshot, CohortQuestion(scope.start, scope.end, step, bounds))
    complete = [bound <= min(now, scope.end) for bound in bounds[1:]]
    return GetCohortResponse(
        info=scope.describe(
            sums.as_of, DEFINITION.format(step=format_step(step) or "event", length=calendar.length.value)
        ),
        cohorts=[_write_cohort(cohort, sums, bounds, complete) for cohort in range(count)],
    )


def _write_cohort(cohort: int, sums: CohortSums, bounds: Sequence[datetime], complete: Sequence[bool]) -> Cohort:
    """Write a cohort with all its periods, also those without an event.

    Args:
        cohort: its place among the periods of the range, from 0.
        sums: of all cohorts.
        bounds: where periods begin.
        complete: of each period of the range.
    """
    users, events = sums.users[cohort].tolist(), sums.events[cohort].tolist()
    size = users[cohort]
    all_events = 0
    all_revenue: ByCurrency = {}
    periods = []
    for period in range(cohort, len(complete)):
        revenue = sums.revenue.get((cohort, period), {})
        all_events += events[period]
        all_revenue = add_revenue(all_revenue, revenue)
        periods.append(
            CohortPeriod(
                index=period - cohort,
                users=users[period],
                events=events[period],
                revenue=_write_revenue(revenue),
                complete=complete[period],
                share=users[period] / size if size else 0.0,
                cumulative_events=all_events,
                cumulative_revenue=_write_revenue(all_revenue),
            )
        )
    return Cohort(start_time=to_timestamp(bounds[cohort]), size=size, periods=periods)


def _write_revenue(revenue: ByCurrency) -> list[Revenue]:
    return [
        Revenue(currency=currency, amount=f"{EXACT.normalize(sold.amount):f}", orders=sold.orders)
        for currency, sold in sorted(revenue.items())
    ]
