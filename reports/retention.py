"""Retention: how many actors come back, and in which of the periods after they entered.

An actor's returns become marks first, one for each of the calendar's periods (or rolling, for each moment) in which it
comes back. So the events of a busy actor take no memory. Cells are counted from marks.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import numpy as np
import pyarrow as pa

from reports.moments import MICROSECOND, NEVER, Integers, PeriodNumbers, latest, to_datetime, to_us
from reports.patterns.matching import columns_of, matches
from reports.patterns.predicates import EventPattern
from reports.runs import Flags, Numbers, ends_run, in_portions, number_runs, starts_run, whole_runs
from storage.segments.schema import EventColumns
from storage.segments.scopes import EventScope
from storage.segments.snapshot import EventSnapshot
from storage.segments.tables import integers

COLUMNS = ("actor_hash", "timestamp", "received_at")
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

    def scope(self, known: EventColumns) -> EventScope:
        """Name the events and columns that an answer is made of."""
        names = [*COLUMNS, *columns_of(self.entry_step, known), *columns_of(self.return_step, known)]
        start = None if self.entry is Entry.FIRST_EVER else self.start
        return EventScope(start, self.read_end, columns=tuple(dict.fromkeys(names)))


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


async def read_retention(snapshot: EventSnapshot, question: RetentionQuestion) -> RetentionCounts:
    """Read how many actors of each cohort come back."""
    counts = RetentionCounts(np.zeros(_shape(question), np.int64), None)
    async for table in snapshot.by_actor(question.scope(snapshot.known)):
        counts += await asyncio.to_thread(count_returns, table, question)
    return counts


def count_returns(table: pa.Table, question: RetentionQuestion) -> RetentionCounts:
    """Count the actors of each cohort that come back, by cell.

    Args:
        table: the events of the question's scope, all of each actor; sorted, and at least one.
        question: what is asked.

    Example:
        Of two actors that enter on the first of three days, one comes back on the third: `users` is
        [[2, 0, 1], [0, 0, 0], [0, 0, 0]].
    """
    return _ReturnCounter(table, question).count()


@dataclass(frozen=True, slots=True)
class _Entries:
    """Entries that count, in the order of actors and times.

    Attributes:
        actor: numbers from 0.
        cohort: the number of the calendar's period.
        since: what periods count from: that number, or (rolling) the moment.
    """

    actor: Numbers
    cohort: Integers
    since: Integers

    def take(self, chosen: Flags) -> "_Entries":
        """Choose some of the entries."""
        return _Entries(self.actor[chosen], self.cohort[chosen], self.since[chosen])

    def turns(self) -> Iterator["_Entries"]:
        """Give the first entry of each actor, then the second one of those that have it, and so on."""
        entries = self
        while len(entries.actor):
            first = starts_run(entries.actor)
            yield entries.take(first)
            entries = entries.take(~first)


class _ReturnCounter:
    """Counts one table, some actors at a time, so that what is computed stays in the processor's cache."""

    def __init__(self, table: pa.Table, question: RetentionQuestion) -> None:
        self._question = question
        self._start = to_us(question.start)
        self._periods = PeriodNumbers(question.bounds)
        self._unit = 1 if question.rolling is None else question.rolling // MICROSECOND
        self._cells = _cells_of(question)
        self._actor = number_runs(integers(table, "actor_hash"))
        self._at, self._received_at = integers(table, "timestamp"), integers(table, "received_at")
        self._enters = matches(table, question.entry_step) & (self._at < to_us(question.end))
        self._returns = matches(table, question.return_step) & (self._at >= self._start)
        actors = int(self._actor[-1]) + 1 if len(self._actor) else 0
        self._has_entered = np.zeros(actors, bool)
        self._since, self._cohort = np.full(actors, NEVER), np.zeros(actors, np.int64)
        self._users = np.zeros(_shape(question), np.int64)
        self._as_of_us = -1

    def count(self) -> RetentionCounts:
        """Count all rows."""
        for rows in whole_runs(self._actor):
            self._count_actors(rows)
        users = self._users
        if self._question.on_or_after:
            users[:, 1:] = users[:, :0:-1].cumsum(axis=1)[:, ::-1]
        return RetentionCounts(users, to_datetime(self._as_of_us) if self._as_of_us >= 0 else None)

    def _count_actors(self, rows: slice) -> None:
        entries = self._enter(rows)
        self._has_entered[entries.actor] = True
        self._tally(entries.cohort, np.zeros_like(entries.cohort))
        actor, mark = in_portions(self._find_returns, rows)
        for turn in entries.turns():
            self._since[turn.actor], self._cohort[turn.actor] = turn.since, turn.cohort
            since = self._since[actor]
            # What is not after this entry of its actor is not after the next ones either.
            later = mark > since
            actor, mark, since = actor[later], mark[later], since[later]
            cell = self._cells.take((mark - since) // self._unit, mode="clip")
            filled = np.flatnonzero(cell)
            by, cell = actor[filled], cell[filled]
            last = ends_run(by) if self._question.on_or_after else ends_run(by, cell)
            self._tally(self._cohort[by[last]], cell[last])
            self._since[turn.actor] = NEVER
        (received_at,) = in_portions(self._find_receipts, rows)
        self._as_of_us = max(self._as_of_us, received_at.max(initial=-1))

    def _enter(self, rows: slice) -> _Entries:
        """List the entries that count."""
        actor, at = in_portions(self._find_entries, rows)
        # An actor whose first entry ever is before the range is in no cohort.
        chosen = self._is_first(actor, at) & (at >= self._start)
        actor, at = actor[chosen], at[chosen]
        cohort = self._periods.of(at)
        return _Entries(actor, cohort, cohort if self._question.rolling is None else at)

    def _find_entries(self, rows: slice) -> tuple[Numbers, Integers]:
        """List the actors and times of the first entries within some rows."""
        entering = np.flatnonzero(self._enters[rows])
        actor, at = self._actor[rows][entering], self._at[rows][entering]
        chosen = self._is_first(actor, at)
        return actor[chosen], at[chosen]

    def _is_first(self, actor: Numbers, at: Integers) -> Flags:
        """Tell which entries are the first of their actor, or (recurring) of their actor and period."""
        if self._question.entry is Entry.RECURRING:
            return starts_run(actor, self._periods.of(at))
        return starts_run(actor)

    def _find_returns(self, rows: slice) -> tuple[Numbers, Integers]:
        """List the actors and marks of returns: periods of the calendar, or (rolling) moments, each about once."""
        returning = np.flatnonzero(self._returns[rows])
        actor, at = self._actor[rows][returning], self._at[rows][returning]
        mark = self._periods.of(at) if self._question.rolling is None else at
        chosen = starts_run(actor, mark)
        return actor[chosen], mark[chosen]

    def _find_receipts(self, rows: slice) -> tuple[Integers]:
        """List the latest times of receipt, so far, of entries and returns of actors that have entered."""
        newer = np.flatnonzero(self._received_at[rows] > self._as_of_us) + rows.start
        counts = (self._enters[newer] | self._returns[newer]) & self._has_entered[self._actor[newer]]
        return (self._received_at[newer[counts]],)

    def _tally(self, cohort: Integers, cell: Integers) -> None:
        width = self._users.shape[1]
        counted = np.bincount(cohort * width + cell, minlength=self._users.size)
        self._users += counted.reshape(self._users.shape)


def _shape(question: RetentionQuestion) -> tuple[int, int]:
    """Tell how many cohorts there are, and how many cells of each."""
    return len(question.bounds) - 1, 1 + max(cell or 0 for cell in question.cells)


def _cells_of(question: RetentionQuestion) -> Integers:
    """List the cell of each period from that of the entry on, and of all later ones; 0 is none."""
    after = question.cells[-1] if question.on_or_after else None
    return np.array([cell or 0 for cell in (None, *question.cells, after)])
