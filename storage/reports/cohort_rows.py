"""The rows of acquisition cohorts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from storage.postgres.reader import Snapshot
from storage.reports.cohort_sql import CohortQuestion, cohort_query


@dataclass(slots=True)
class PeriodRow:
    """What the members of a cohort do in one period; `revenue` holds (amount, orders) by currency."""

    users: int
    events: int
    revenue: dict[str, tuple[Decimal, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CohortRows:
    """By (cohort, period), each the number of a period as `CohortQuestion` counts; only those with an event occur."""

    periods: dict[tuple[int, int], PeriodRow]
    as_of: datetime | None


async def read_cohorts(snapshot: Snapshot, question: CohortQuestion) -> CohortRows:
    """Read what the members of each cohort do."""
    rows = await snapshot.fetch_query(cohort_query(question))
    return CohortRows(read_periods([dict(row) for row in rows]), max((row["as_of"] for row in rows), default=None))


def read_periods(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], PeriodRow]:
    """Add the rows of `cohort_query` up by cohort and period."""
    periods: dict[tuple[int, int], PeriodRow] = {}
    for row in rows:
        period = periods.setdefault((row["cohort"], row["period"]), PeriodRow(users=0, events=0))
        period.users += row["users"]
        period.events += row["events"]
        if row["currency"] is not None:
            period.revenue[row["currency"]] = row["amount"], row["events"]
    return periods
