"""How far actors get through the steps of a funnel: the attempt of each that counts.

Arrays hold a value for each row of a table of whole actors, sorted by actor, time, sequence and event id. There is one
pass a step, and no loop over events or actors.

Example, a window of an hour, steps a and b; the second a leads to b, since the latest start counts:

    actor  time   step          reached  times
    7      10:00  a             7: 2     10:30, 10:50
    7      10:30  a             8: 1     11:00
    7      10:50  b
    8      11:00  a
    8      12:01  b
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from reports.funnel.question import FunnelQuestion, StepOrder
from reports.moments import MICROSECOND, Integers, to_us
from reports.patterns.matching import matches
from reports.runs import Flags, starts_run
from storage.segments.tables import integers

Counts = np.ndarray[Any, np.dtype[np.int8]]


@dataclass(frozen=True, slots=True, eq=False)
class StepFacts:
    """What decides about attempts, for each row of a table.

    Attributes:
        actor: the hash of its actor.
        at: its time, in microseconds since 1970.
        steps: for each step, whether it fits.
        excluded: for each exclusion, whether it fits.
    """

    actor: Integers
    at: Integers
    steps: tuple[Flags, ...]
    excluded: tuple[Flags, ...]

    @classmethod
    def of(cls, table: pa.Table, question: FunnelQuestion) -> "StepFacts":
        """Look at the rows of a table."""
        found = {pattern: matches(table, pattern) for pattern in question.patterns}
        return cls(
            actor=integers(table, "actor_hash"),
            at=integers(table, "timestamp"),
            steps=tuple(found[step] for step in question.steps),
            excluded=tuple(found[exclusion.pattern] for exclusion in question.exclusions),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The rows that may begin an attempt, in order.

    Attributes:
        rows: their places in the table.
        actor: the number of each one's actor, from 0 in order.
        firsts: for each actor, which of them is its first.
        is_open: for each actor, whether the window of one has not ended.
    """

    rows: Integers
    actor: Integers
    firsts: Integers
    is_open: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Attempts:
    """The attempts that count, one for each actor that entered, in the order of the table.

    Attributes:
        rows: a row of the actor.
        reached: how many steps it took.
        times: for each step, when it was taken, in microseconds since 1970; any number where it was not.
        is_open: whether the window of an entry has not ended.
    """

    rows: Integers
    reached: Counts
    times: tuple[Integers, ...]
    is_open: Flags


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The rows that complete a step, in order.

    Attributes:
        rows: their places in the table.
        back: for each, which row of the level before leads there: the latest, which has the latest start too.
        actor: for each, the number of its actor.
        started: for each, when its attempt began.
    """

    rows: Integers
    back: Integers
    actor: Integers
    started: Integers


def find_entries(facts: StepFacts, fits: Flags, question: FunnelQuestion) -> Entries:
    """Find the rows that may begin an attempt.

    Args:
        facts: of a table whose events begin at the start of the range.
        fits: which rows fit the step that begins it.
        question: the funnel.
    """
    rows = np.flatnonzero(fits & (facts.at < to_us(question.end)))
    marks = starts_run(facts.actor[rows])
    if question.first_only:
        rows = rows[marks]
        marks = np.ones(len(rows), bool)
    firsts = np.flatnonzero(marks)
    lasts = np.append(firsts[1:], len(rows))[: len(firsts)] - 1
    is_open = facts.at[rows[lasts]] >= to_us(question.open_since)
    return Entries(rows, np.cumsum(marks) - 1, firsts, is_open)


def attempts_in_order(facts: StepFacts, question: FunnelQuestion) -> Attempts:
    """Find the attempts that count where steps follow each other, with or without other events between."""
    entries = find_entries(facts, facts.steps[0], question)
    level = _Level(entries.rows, entries.rows, entries.actor, facts.at[entries.rows])
    levels = [level]
    for step in range(1, len(facts.steps)):
        level = _advance(facts, question, level, step)
        levels.append(level)
    reached = np.ones(len(entries.firsts), np.int8)
    chosen = entries.firsts.copy()
    for step, level in enumerate(levels[1:], 2):
        # The furthest attempt counts, and of these the first to get there.
        firsts = np.flatnonzero(starts_run(level.actor))
        reached[level.actor[firsts]] = step
        chosen[level.actor[firsts]] = firsts
    times = []
    for step in reversed(range(len(levels))):
        level, took = levels[step], reached > step
        taken = np.zeros(len(reached), np.int64)
        taken[took] = facts.at[level.rows[chosen[took]]]
        times.append(taken)
        if step:
            chosen[took] = level.back[chosen[took]]
    return Attempts(entries.rows[entries.firsts], reached, tuple(reversed(times)), entries.is_open)


def _advance(facts: StepFacts, question: FunnelQuestion, before: _Level, step: int) -> _Level:
    """Find the rows that complete a step (from 0): the latest row that completes the one before may lead there."""
    rows = np.flatnonzero(facts.steps[step])
    back = _last_before(before.rows, rows, len(facts.at))
    rows, back = rows[back >= 0], back[back >= 0]
    previous = before.rows[back]
    completes = facts.actor[previous] == facts.actor[rows]
    completes &= facts.at[rows] - before.started[back] <= question.window // MICROSECOND
    if question.order is StepOrder.STRICT:
        completes &= previous == rows - 1
    for exclusion, fits in zip(question.exclusions, facts.excluded, strict=True):
        if exclusion.from_step < step <= exclusion.to_step:
            excluded = np.flatnonzero(fits)
            place = _last_before(excluded, rows, len(facts.at))
            last = np.append(excluded, -1)[place]  # -1 where there is none
            # The step after which it counts may be such an event itself; a step between may not.
            completes &= last <= previous if exclusion.from_step == step - 1 else last < previous
    back = back[completes]
    return _Level(rows[completes], back, before.actor[back], before.started[back])


def _last_before(marked: Integers, rows: Integers, length: int) -> Integers:
    """Find for each of some rows the last marked row before it: its place among the marked ones, -1 if there is none.

    Counting the marks of all rows takes a fifth of the time of a binary search.
    """
    marks = np.zeros(length + 1, np.int32)
    marks[marked + 1] = 1
    np.cumsum(marks, out=marks)
    found: Integers = marks[rows].astype(np.int64) - 1
    return found
