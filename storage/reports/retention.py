"""Retention: how many actors come back, and in which of the periods after they entered.

The kernel has two stages. First an actor's events become marks: one for each period (of the calendar) or moment
(rolling) in which it enters or comes back. So the events of a busy actor take no memory. Cells are counted from marks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import numpy as np
import pyarrow as pa

from storage.reports.matching import matches
from storage.reports.moments import MICROSECOND, NEVER, Integers, PeriodNumbers, latest, to_datetime, to_us
from storage.reports.predicates import EventPattern
from storage.reports.runs import Flags, ends_run, portions, starts_run
from storage.segments.tables import integers

AFTER_ALL = datetime(2200, 1, 1, tzinfo=UTC)
"""No event happens later."""


class Entry(Enum):
    """How actors enter."""

    FIRST_EVER = "first ever"
    FIRST_IN_RANGE = "first in range"
    RECURRING = "recurring"


@dataclass(frozen=True, slots=True)
class RetentionQuestion:
    """A retention of the actors that enter in [start, end).

    Attributes:
        start, end: the range (UTC).
        entry_step, return_step: by which events actors enter, and come back.
        entry: which of an actor's entries count.
        bounds: where the calendar's periods begin, ascending, from the one that holds `start` on, and where the last
            one ends (UTC); not before `end`.
        rolling: the length of periods that count from an actor's own entry; None where they are the calendar's.
        cells: for each period after the entry, the first in place 0, the cell that a return fills, from 1 on and
            ascending; None for none.
        on_or_after: whether a return fills the cells of the periods before its own, too. Each period then has a cell.
    """

    start: datetime
    end: datetime
    entry_step: EventPattern
    return_step: EventPattern
    entry: Entry
    bounds: tuple[datetime, ...]
    rolling: timedelta | None
    cells: tuple[int | None, ...]
    on_or_after: bool

    @property
    def read_end(self) -> datetime:
        """The first moment after all events that may count."""
        if self.on_or_after:
            return AFTER_ALL
        if self.rolling is not None:
            return self.end + (len(self.cells) + 1) * self.rolling
        return self.bounds[-1]


@dataclass(frozen=True, slots=True)
class RetentionCounts:
    """How many actors fill which cell; the counts of different actors add up.

    Attributes:
        users: by cohort and cell. Cohorts are the calendar's periods, the first in place 0. Cell 0 is the cohort.
        as_of: the latest time of receipt among the entries and returns of actors that entered; None without any.
    """

    users: Integers
    as_of: datetime | None

    def __add__(self, other: "RetentionCounts") -> "RetentionCounts":
        """Add the counts of other actors."""
        return RetentionCounts(self.users + other.users, latest(self.as_of, other.as_of))


def count_returns(table: pa.Table, question: RetentionQuestion) -> RetentionCounts:
    """Count the actors of each cohort that come back, by cell.

    Args:
        table: all events of its actors, sorted; at least one.
        question: what is asked.

    Example:
        Of two actors that enter on the first of three days, one comes back on the third: `users` is
        [[2, 0, 1], [0, 0, 0], [0, 0, 0]].
    """
    periods = PeriodNumbers(question.bounds)
    marks = _mark(table, question, periods)
    entries = _enter(marks, question, periods)
    users = _count_cells(marks, entries, question)
    has_entered = np.zeros(marks.actors, bool)
    has_entered[entries.actor] = True
    received = marks.received_at[has_entered[marks.actor]]
    return RetentionCounts(users, to_datetime(received.max()) if len(received) else None)


@dataclass(frozen=True, slots=True)
class _Marks:
    """When actors enter and come back: for each of them, in order, a row for each period or moment in which it does.

    Attributes:
        actor: numbers from 0.
        value: the number of the calendar's period, or (rolling) the moment.
        entered_at: the first entry in it; NEVER without one.
        returned: whether there is a return in it.
        received_at: the latest time of receipt in it.
    """

    actor: Integers
    value: Integers
    entered_at: Integers
    returned: Flags
    received_at: Integers

    @property
    def actors(self) -> int:
        """How many actors there are."""
        return int(self.actor[-1]) + 1 if len(self.actor) else 0


@dataclass(frozen=True, slots=True)
class _Entries:
    """Entries that count, in the order of actors and times.

    Attributes:
        actor: the number of each one's actor.
        cohort: the number of the calendar's period.
        since: the value of a mark from which periods count.
    """

    actor: Integers
    cohort: Integers
    since: Integers

    def take(self, chosen: Flags) -> "_Entries":
        """Choose some of the entries."""
        return _Entries(self.actor[chosen], self.cohort[chosen], self.since[chosen])


def _mark(table: pa.Table, question: RetentionQuestion, periods: PeriodNumbers) -> _Marks:
    start, end, read_end = to_us(question.start), to_us(question.end), to_us(question.read_end)
    actors, times, received = (integers(table, name) for name in ("actor_hash", "timestamp", "received_at"))
    enters, returns = matches(table, question.entry_step), matches(table, question.return_step)
    parts = []
    for rows in portions(len(table)):
        at = times[rows]
        since_start = at >= start
        entering = enters[rows] & (at < end)
        if question.entry is not Entry.FIRST_EVER:
            entering &= since_start
        returning = returns[rows] & since_start & (at < read_end)
        kept = np.flatnonzero(entering | returning)
        actor, at = actors[rows][kept], at[kept]
        value = at if question.rolling is not None else periods.of(at)
        runs = np.flatnonzero(starts_run(actor, value))
        parts.append(
            (
                actor[runs],
                value[runs],
                np.minimum.reduceat(np.where(entering[kept], at, NEVER), runs),
                np.logical_or.reduceat(returning[kept], runs),
                np.maximum.reduceat(received[rows][kept], runs),
            )
        )
    actor, *columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Marks(np.cumsum(starts_run(actor)) - 1, *columns)


def _enter(marks: _Marks, question: RetentionQuestion, periods: PeriodNumbers) -> _Entries:
    entering = np.flatnonzero(marks.entered_at != NEVER)
    actor, entered_at = marks.actor[entering], marks.entered_at[entering]
    cohort = periods.of(entered_at)
    since = cohort if question.rolling is None else entered_at
    chosen = starts_run(actor, cohort) if question.entry is Entry.RECURRING else starts_run(actor)
    # An actor whose first entry ever is before the range is in no cohort.
    return _Entries(actor, cohort, since).take(chosen & (entered_at >= to_us(question.start)))


def _count_cells(marks: _Marks, entries: _Entries, question: RetentionQuestion) -> Integers:
    """Count the actors of each cohort, and those that fill each cell of it."""
    cells = _cells_of(question)
    shape = len(question.bounds) - 1, int(cells.max()) + 1
    unit = 1 if question.rolling is None else question.rolling // MICROSECOND
    users = _tally(shape, entries.cohort, np.zeros_like(entries.cohort))
    came = np.flatnonzero(marks.returned)
    actor, value = marks.actor[came], marks.value[came]
    for turn in _turns(entries):
        since_of, cohort_of = np.full(marks.actors, NEVER), np.empty(marks.actors, np.int64)
        since_of[turn.actor], cohort_of[turn.actor] = turn.since, turn.cohort
        since = since_of[actor]
        # What is not after this entry of its actor is not after the next ones either.
        later = value > since
        actor, value, since = actor[later], value[later], since[later]
        cell = cells[np.minimum((value - since) // unit, len(cells) - 1)]
        filled = np.flatnonzero(cell)
        by, cell = actor[filled], cell[filled]
        last = ends_run(by) if question.on_or_after else ends_run(by, cell)
        users += _tally(shape, cohort_of[by[last]], cell[last])
    if question.on_or_after:
        users[:, 1:] = users[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return users


def _cells_of(question: RetentionQuestion) -> Integers:
    """List the cell of each period from that of the entry on, and of all later ones; 0 is none."""
    after = question.cells[-1] if question.on_or_after else None
    return np.array([cell or 0 for cell in (None, *question.cells, after)])


def _turns(entries: _Entries) -> Iterator[_Entries]:
    """Give the first entry of each actor, then the second one of those that have it, and so on."""
    while len(entries.actor):
        first = starts_run(entries.actor)
        yield entries.take(first)
        entries = entries.take(~first)


def _tally(shape: tuple[int, int], cohort: Integers, cell: Integers) -> Integers:
    counted = np.bincount(cohort * shape[1] + cell, minlength=shape[0] * shape[1])
    return counted.reshape(shape)
