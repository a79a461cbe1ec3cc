"""Acquisition cohorts: what actors do in the periods after their first event."""

import asyncio
import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa

from reports.moments import NEVER, Integers, PeriodNumbers, latest, to_datetime, to_us
from reports.patterns.matching import columns_of, matches
from reports.patterns.predicates import EventPattern
from reports.runs import Numbers, in_portions, number_runs, starts_run, whole_runs
from storage.segments.schema import EventColumns
from storage.segments.scopes import EventScope
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import integers

PURCHASE = EventPattern("purchase")
CURRENCY, AMOUNT = "purchase.currency", "purchase.amount"
COLUMNS = ("actor_hash", "timestamp", "received_at", "event_type", CURRENCY, AMOUNT)
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

    def scope(self, known: EventColumns) -> EventScope:
        """Name the events and columns that an answer is made of."""
        names = dict.fromkeys([*COLUMNS, *columns_of(self.step, known)])
        return EventScope(end=self.end, columns=tuple(names))


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


ByCurrency = Mapping[str, Revenue]


def add_revenue(one: ByCurrency, other: ByCurrency) -> ByCurrency:
    """Add purchases, currency by currency."""
    return {name: one.get(name, Revenue()) + other.get(name, Revenue()) for name in {*one, *other}}


@dataclass(frozen=True, slots=True)
class CohortSums:
    """What the members of cohorts do; the sums of different actors add up.

    Attributes:
        users, events: members with an event, and events, by cohort and period; both are numbers of the calendar's
            periods, the first in place 0.
        revenue: by (cohort, period); only those with a purchase occur.
        as_of: the latest time of receipt among the events; None without any.
    """

    users: Integers
    events: Integers
    revenue: Mapping[tuple[int, int], ByCurrency]
    as_of: datetime | None

    def __add__(self, other: "CohortSums") -> "CohortSums":
        """Add the sums of other actors."""
        places = {*self.revenue, *other.revenue}
        return CohortSums(
            self.users + other.users,
            self.events + other.events,
            {place: add_revenue(self.revenue.get(place, {}), other.revenue.get(place, {})) for place in places},
            latest(self.as_of, other.as_of),
        )


async def read_cohorts(snapshot: EventSnapshot, question: CohortQuestion) -> CohortSums:
    """Read what the members of each cohort do."""
    nothing = np.zeros((len(question.bounds) - 1,) * 2, np.int64)
    sums = CohortSums(nothing, nothing, {}, None)
    async for table in snapshot.by_actor(question.scope(snapshot.known)):
        sums += await asyncio.to_thread(sum_cohorts, table, question)
    return sums


def sum_cohorts(table: pa.Table, question: CohortQuestion) -> CohortSums:
    """Sum what the members of each cohort do, by period, from the moment they join.

    Args:
        table: the events of the question's scope, all of each actor; sorted, and at least one.
        question: what is asked.

    Example:
        Two actors join in the first of three periods, with an event each, and one has two more in the last: `users` is
        [[2, 0, 1], [0, 0, 0], [0, 0, 0]], `events` [[2, 0, 2], [0, 0, 0], [0, 0, 0]].
    """
    return _CohortCounter(table, question).sum()


class _CohortCounter:
    """Sums one table, some actors at a time, so that what is computed stays in the processor's cache."""

    def __init__(self, table: pa.Table, question: CohortQuestion) -> None:
        self._start = to_us(question.start)
        self._periods = PeriodNumbers(question.bounds)
        self._width = len(question.bounds) - 1
        self._table = table
        self._actor = number_runs(integers(table, "actor_hash"))
        self._at, self._received_at = integers(table, "timestamp"), integers(table, "received_at")
        self._joins, self._buys = matches(table, question.step), matches(table, PURCHASE)
        actors = int(self._actor[-1]) + 1 if len(self._actor) else 0
        self._joined_at, self._cohort = np.full(actors, NEVER), np.zeros(actors, np.int64)
        self._users, self._events = (np.zeros(self._width * self._width, np.int64) for _ in range(2))
        self._as_of_us = -1

    def sum(self) -> CohortSums:
        """Sum all rows."""
        orders = []
        for rows in whole_runs(self._actor):
            self._join(rows)
            actor, place, bought, bought_in = in_portions(self._find_visits, rows)
            self._users += np.bincount(place[starts_run(actor, place)], minlength=len(self._users))
            orders.append((bought, bought_in))
        bought, bought_in = (np.concatenate(found) for found in zip(*orders, strict=True))
        return CohortSums(
            self._users.reshape(self._width, self._width),
            self._events.reshape(self._width, self._width),
            self._sum_revenue(bought, bought_in),
            to_datetime(self._as_of_us) if self._as_of_us >= 0 else None,
        )

    def _join(self, rows: slice) -> None:
        """Note when actors join in the range, and which cohort they join."""
        actor, at = in_portions(self._find_joining, rows)
        chosen = starts_run(actor) & (at >= self._start)
        actor, at = actor[chosen], at[chosen]
        self._joined_at[actor], self._cohort[actor] = at, self._periods.of(at)

    def _find_joining(self, rows: slice) -> tuple[Numbers, Integers]:
        """List actors and when each of them first has an event of the step within some rows."""
        joining = np.flatnonzero(self._joins[rows])
        actor = self._actor[rows][joining]
        first = starts_run(actor)
        return actor[first], self._at[rows][joining[first]]

    def _find_visits(self, rows: slice) -> tuple[Numbers, Integers, Integers, Integers]:
        """Count what members do; list members with the places where they have events, and purchases with theirs.

        A place is a cohort and a period as one number.
        """
        done = np.flatnonzero(self._at[rows] >= self._joined_at[self._actor[rows]]) + rows.start
        actor, period = self._actor[done], self._periods.of(self._at[done])
        place = self._cohort[actor] * self._width + period
        self._events += np.bincount(place, minlength=len(self._events))
        self._as_of_us = max(self._as_of_us, self._received_at[done].max(initial=-1))
        first, buys = starts_run(actor, period), self._buys[done]
        return actor[first], place[first], done[buys], place[buys]

    def _sum_revenue(self, bought: Integers, places: Integers) -> dict[tuple[int, int], ByCurrency]:
        """Sum the amounts of some rows by place and currency."""
        found: dict[tuple[int, int], dict[str, Revenue]] = {}
        if not {CURRENCY, AMOUNT} <= set(self._table.column_names):
            return {}
        orders = self._table.select([CURRENCY, AMOUNT]).take(bought)
        columns = {"place": places, "currency": orders[CURRENCY].cast(pa.string()), "amount": orders[AMOUNT].cast(_SUM)}
        groups = pa.table(columns).group_by(["place", "currency"], use_threads=False)
        sums = groups.aggregate([("amount", "sum"), ([], "count_all")])
        names = ("place", "currency", "amount_sum", "count_all")
        for place, currency, amount, count in zip(*(sums[name].to_pylist() for name in names), strict=True):
            if currency is not None:
                found.setdefault(divmod(place, self._width), {})[currency] = Revenue(amount or Decimal(0), count)
        return dict(found)
