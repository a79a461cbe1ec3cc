"""The statement of acquisition cohorts, composed from its template and the question."""

from dataclasses import dataclass
from datetime import datetime

from storage.reports.predicates import EventPattern, Parameters, Query, pattern_sql
from storage.sql import template


@dataclass(frozen=True, slots=True)
class CohortQuestion:
    """What the actors do that join in [start, end), from then on and until `end`.

    Periods count from 1, that which holds `start`: period n lies between bounds[n - 1] and bounds[n].
    """

    start: datetime
    end: datetime
    step: EventPattern
    """The first such event of an actor, ever, is when it joins."""
    bounds: tuple[datetime, ...]
    """Where periods begin, ascending, and where the last one ends (UTC)."""


def cohort_query(question: CohortQuestion) -> Query:
    """Compose the statement: rows are (cohort, period, currency, users, events, amount, as_of), in no order.

    A row covers the events of one cohort in one period that are purchases in a currency, or (null) that are not; each
    user of the period is counted in one of the rows.
    """
    parameters = Parameters()
    return Query(
        template("cohort").format(
            step=pattern_sql(question.step, parameters),
            start=parameters.add(question.start, "timestamptz"),
            end=parameters.add(question.end, "timestamptz"),
            bounds=parameters.add(question.bounds, "timestamptz[]"),
        ),
        tuple(parameters.list),
        groups_by_hash=True,
    )
