"""Retention and acquisition cohorts, read off their definitions: actor by actor, period by period."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.oracle.history import Happening

Fits = Callable[[Happening], bool]


def period_of(moment: datetime, bounds: Sequence[datetime]) -> int:
    """Number the period that holds a moment: 1 is the first, len(bounds) all that comes after the last."""
    return bisect_right(bounds, moment)


@dataclass(frozen=True)
class Entering:
    """When actors enter.

    Attributes:
        start, end: the range, half-open.
        enters, returns: which events do.
        way: "first ever", "first in range" or "recurring".
    """

    start: datetime
    end: datetime
    enters: Fits
    returns: Fits
    way: str

    def counts(self, event: Happening) -> bool:
        """Tell whether an event of an actor that enters is an entry or a return in range, or a return after it."""
        enters = self.enters(event) and event.timestamp < self.end
        return self.start <= event.timestamp and (enters or self.returns(event))

    def entries(self, history: Sequence[Happening], bounds: Sequence[datetime]) -> list[datetime]:
        """List the entries of an actor: one, or the first of each period."""
        all_entries = [event.timestamp for event in history if self.enters(event)]
        inside = [moment for moment in all_entries if self.start <= moment < self.end]
        if self.way == "first ever":
            return inside[:1] if inside and inside[0] == all_entries[0] else []
        if self.way == "first in range":
            return inside[:1]
        firsts: dict[int, datetime] = {}
        for moment in inside:
            firsts.setdefault(period_of(moment, bounds), moment)
        return list(firsts.values())


def periods_of_return(
    entering: Entering,
    history: Sequence[Happening],
    entered_at: datetime,
    bounds: Sequence[datetime],
    rolling: timedelta | None,
) -> set[int]:
    """Tell in which periods after its entry an actor comes back, counted from 1."""
    found = set()
    for event in history:
        if not entering.returns(event) or event.timestamp < entered_at:
            continue
        if rolling is None:
            found.add(period_of(event.timestamp, bounds) - period_of(entered_at, bounds))
        else:
            found.add((event.timestamp - entered_at) // rolling)
    return found - {0}


def retention(
    entering: Entering,
    histories: Mapping[str, Sequence[Happening]],
    bounds: Sequence[datetime],
    rolling: timedelta | None,
    fills: Callable[[int], Collection[int]],
) -> tuple[Counter[tuple[int, int]], datetime | None]:
    """Count actors by cohort and cell, and tell when the latest of the events that they enter and return by came in.

    Args:
        entering: who enters and returns.
        histories: of all actors, ordered.
        bounds: of the calendar's periods.
        rolling: the length of an actor's own periods; None where they are the calendar's.
        fills: the cells that a return in a period fills.
    """
    counts: Counter[tuple[int, int]] = Counter()
    received_at: list[datetime] = []
    for history in histories.values():
        entries = entering.entries(history, bounds)
        for entered_at in entries:
            cohort = period_of(entered_at, bounds)
            counts[cohort, 0] += 1
            periods = periods_of_return(entering, history, entered_at, bounds, rolling)
            counts.update((cohort, cell) for cell in {cell for period in periods for cell in fills(period)})
        if entries:
            received_at += [event.received_at for event in history if entering.counts(event)]
    return counts, max(received_at, default=None)


def weighted_mean(cohorts: Sequence[tuple[int, Sequence[tuple[int, bool]]]], cell: int) -> Fraction | None:
    """Find the share of actors that fill a cell, among those that have had the time to; None where nobody has.

    Args:
        cohorts: of each, how many actors are in it, and for each cell who filled it and whether it is complete.
        cell: the number of the cell.
    """
    actors = sum(size for size, cells in cohorts if cells[cell][1])
    returned = sum(cells[cell][0] for _, cells in cohorts if cells[cell][1])
    return Fraction(returned, actors) if actors else None


@dataclass
class Doing:
    """What a cohort does in a period."""

    actors: set[str] = field(default_factory=set)
    events: int = 0
    revenue: dict[str, tuple[Decimal, int]] = field(default_factory=dict)
    received_at: list[datetime] = field(default_factory=list)


def cohorts(
    histories: Mapping[str, Sequence[Happening]],
    joins: Fits,
    start: datetime,
    end: datetime,
    bounds: Sequence[datetime],
) -> dict[tuple[int, int], Doing]:
    """Sum what actors do from the moment they join, by cohort and period."""
    found: dict[tuple[int, int], Doing] = {}
    for actor_id, history in histories.items():
        seen = [event for event in history if event.timestamp < end]
        joined_at = next((event.timestamp for event in seen if joins(event)), None)
        if joined_at is None or joined_at < start:
            continue
        for event in seen:
            if event.timestamp >= joined_at:
                key = period_of(joined_at, bounds), period_of(event.timestamp, bounds)
                doing = found.setdefault(key, Doing())
                doing.actors.add(actor_id)
                doing.events += 1
                doing.received_at.append(event.received_at)
                if event.event_type == "purchase":
                    amount, orders = doing.revenue.get(event.data["currency"], (Decimal(0), 0))
                    doing.revenue[event.data["currency"]] = (amount + Decimal(str(event.data["amount"])), orders + 1)
    return found
