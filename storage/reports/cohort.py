"""Acquisition cohorts: what actors do in the periods after their first event."""

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from storage.reports.matching import matches
from storage.reports.moments import NEVER, Integers, PeriodNumbers, latest, to_datetime, to_us
from storage.reports.predicates import EventPattern
from storage.reports.runs import portions, starts_run
from storage.segments.tables import integers

Numbers = np.ndarray[Any, np.dtype[np.int32]]

PURCHASE = EventPattern("purchase")
CURRENCY, AMOUNT = "purchase.currency", "purchase.amount"
EXACT = decimal.Context(prec=76, traps=[decimal.Inexact])
"""As many digits as sums of amounts have."""
_SUM = pa.decimal256(EXACT.prec, 18)


@dataclass(frozen=True, slots=True)
class CohortQuestion:
    """What the actors do that join in [start, end), from then on and until `end`.

    Attributes:
        start, end: the range (UTC).
        step: an actor joins by its first such event, ever.
        bounds: where the calendar's periods begin, ascending, from the one that holds `start` on, and where the last
            one ends (UTC); not before `end`.
    """

    start: datetime
    end: datetime
    step: EventPattern
    bounds: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Revenue:
    """The purchases in one currency.

    Attributes:
        amount: their sum, to the last digit.
        orders: how many there are.
    """

    amount: Decimal = Decimal(0)
    orders: int = 0

    def __add__(self, other: "Revenue") -> "Revenue":
        """Add other purchases in this currency."""
        return Revenue(EXACT.add(self.amount, other.amount), self.orders + other.orders)


@dataclass(frozen=True, slots=True)
class CohortSums:
    """What the members of cohorts do; the sums of different actors add up.

    Attributes:
        users, events: members with an event, and events, by cohort and period; both are numbers of the calendar's
            periods, the first in place 0.
        revenue: by (cohort, period, currency); only those with a purchase occur.
        as_of: the latest time of receipt among the events; None without any.
    """

    users: Integers
    events: Integers
    revenue: Mapping[tuple[int, int, str], Revenue]
    as_of: datetime | None

    def __add__(self, other: "CohortSums") -> "CohortSums":
        """Add the sums of other actors."""
        revenue = dict(self.revenue)
        for key, more in other.revenue.items():
            revenue[key] = revenue.get(key, Revenue()) + more
        return CohortSums(
            self.users + other.users, self.events + other.events, revenue, latest(self.as_of, other.as_of)
        )


def sum_cohorts(table: pa.Table, question: CohortQuestion) -> CohortSums:
    """Sum what the members of each cohort do, by period, from the moment they join.

    Args:
        table: all events of its actors, sorted.
        question: what is asked.

    Example:
        Two actors join in the first of three periods, with an event each, and one has two more in the last: `users` is
        [[2, 0, 1], [0, 0, 0], [0, 0, 0]], `events` [[2, 0, 2], [0, 0, 0], [0, 0, 0]].
    """
    periods = PeriodNumbers(question.bounds)
    width, end = len(question.bounds) - 1, to_us(question.end)
    times, received = integers(table, "timestamp"), integers(table, "received_at")
    actors = np.cumsum(starts_run(integers(table, "actor_hash")), dtype=np.int32) - 1
    joined_at = _join(table, question, actors, times)
    cohort_of = periods.of(joined_at)
    buys = matches(table, PURCHASE)
    events, as_of_us = np.zeros(width * width, np.int64), []
    visits, orders = [], []
    for rows in portions(len(table)):
        done = np.flatnonzero((times[rows] >= joined_at[actors[rows]]) & (times[rows] < end)) + rows.start
        actor, period = actors[done], periods.of(times[done])
        place = cohort_of[actor] * width + period
        events += np.bincount(place, minlength=len(events))
        as_of_us.append(received[done].max(initial=-1))
        first = starts_run(actor, period)
        visits.append((actor[first], place[first]))
        bought = buys[done]
        orders.append((done[bought], place[bought]))
    actor, place = (np.concatenate(column) for column in zip(*visits, strict=True))
    # A portion may end between two events of one actor in one period.
    users = np.bincount(place[starts_run(actor, place)], minlength=len(events))
    row, place = (np.concatenate(column) for column in zip(*orders, strict=True))
    latest_us = max(as_of_us)
    return CohortSums(
        users.reshape(width, width),
        events.reshape(width, width),
        _sum_revenue(table, row, place, width),
        to_datetime(latest_us) if latest_us >= 0 else None,
    )


def _join(table: pa.Table, question: CohortQuestion, actors: Numbers, times: Integers) -> Integers:
    """Tell when each actor joins; NEVER where it does not, or not in the range."""
    joining = np.flatnonzero(matches(table, question.step))
    first = joining[starts_run(actors[joining])]
    first = first[times[first] >= to_us(question.start)]
    joined_at = np.full(actors[-1] + 1 if len(actors) else 0, NEVER)
    joined_at[actors[first]] = times[first]
    return joined_at


def _sum_revenue(table: pa.Table, rows: Integers, places: Integers, width: int) -> dict[tuple[int, int, str], Revenue]:
    """Sum the amounts of some rows by place (cohort * width + period) and currency."""
    if not {CURRENCY, AMOUNT} <= set(table.column_names):
        return {}
    bought = table.select([CURRENCY, AMOUNT]).take(rows)
    columns = {"place": places, "currency": bought[CURRENCY].cast(pa.string()), "amount": bought[AMOUNT].cast(_SUM)}
    groups = pa.table(columns).group_by(["place", "currency"], use_threads=False)
    sums = groups.aggregate([("amount", "sum"), ([], "count_all")])
    names = ("place", "currency", "amount_sum", "count_all")
    return {
        (*divmod(place, width), currency): Revenue(amount or Decimal(0), orders)
        for place, currency, amount, orders in zip(*(sums[name].to_pylist() for name in names), strict=True)
        if currency is not None
    }
