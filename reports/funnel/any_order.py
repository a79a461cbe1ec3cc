"""How many steps of a funnel actors take where any order counts.

Each step takes an event of its own. Where one event may fit several steps, some of them are taken, by Hall's theorem,
as soon as each set of steps has had the events that it needs: of 3 steps, 2 are taken when there were 2 events that
fit any of the 3, and 1 that fits any of each 2.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from reports.funnel.attempts import Attempts, StepFacts, find_entries
from reports.funnel.question import FunnelQuestion, overlapping_steps
from reports.moments import MICROSECOND, NEVER, Integers
from reports.runs import Flags, portions


def attempts_in_any_order(facts: StepFacts, question: FunnelQuestion) -> Attempts:
    """Find the attempts that count where steps are taken in any order."""
    entries = find_entries(facts, np.logical_or.reduce(facts.steps), question)
    chances = _Chances(facts, question)
    reached = np.zeros(len(entries.rows), np.int8)
    finished = np.zeros(len(entries.rows), np.int64)
    for part in portions(len(entries.rows)):
        taken = chances.times_from(entries.rows[part])
        reached[part] = (taken < NEVER).sum(axis=0)
        finished[part] = np.where(taken < NEVER, taken, -NEVER).max(axis=0)
    # The attempt that takes the most steps counts; of these the first to finish; of these the latest to start.
    counts = reached == np.maximum.reduceat(reached, entries.firsts)[entries.actor]
    finished[~counts] = NEVER
    counts &= finished == np.minimum.reduceat(finished, entries.firsts)[entries.actor]
    places = np.where(counts, np.arange(len(counts)), -1)
    chosen = np.maximum.reduceat(places, entries.firsts)
    times = np.empty((len(facts.steps), len(chosen)), np.int64)
    for part in portions(len(chosen)):
        times[:, part] = np.sort(chances.times_from(entries.rows[chosen[part]]), axis=0)
    return Attempts(entries.rows[entries.firsts], reached[chosen], tuple(times), entries.is_open)


class _Chances:
    """When an actor has taken steps, from some event of its own on."""

    def __init__(self, facts: StepFacts, question: FunnelQuestion) -> None:
        self._facts = facts
        self._window = question.window // MICROSECOND
        self._groups = overlapping_steps(question.steps)
        self._fitting = {steps: self._rows_of(steps) for group in self._groups for steps in _subsets(group)}
        self._excluded = _padded(np.logical_or.reduce(facts.excluded), 1) if facts.excluded else None

    def times_from(self, entries: Integers) -> Integers:
        """Tell for each entry when its attempt takes steps, in no order; NEVER for steps that it does not take.

        Args:
            entries: rows, ascending.

        Returns:
            A row for each step and a column for each entry.
        """
        facts = self._facts
        last_row = len(facts.at) - 1
        taken = np.stack([rows for group in self._groups for rows in self._rows_from(entries, group)])
        found = np.minimum(taken, last_row)
        at = facts.at[found]
        counts = (taken <= last_row) & (facts.actor[found] == facts.actor[entries])
        counts &= at - facts.at[entries] <= self._window
        if self._excluded is not None:
            # An excluded event ends the attempt; a step that it takes itself is taken.
            counts &= taken <= self._excluded[np.searchsorted(self._excluded, entries, "right")]
        return np.where(counts, at, NEVER)

    def _rows_from(self, entries: Integers, group: Sequence[int]) -> list[Integers]:
        """Find the rows by which 1, 2 ... steps of a group are taken; the table's length where it ends before."""
        subsets = [(steps, self._fitting[steps]) for steps in _subsets(group)]
        next_ones = [(len(steps), rows, np.searchsorted(rows, entries)) for steps, rows in subsets]
        found = []
        for taken in range(1, len(group) + 1):
            needed = [(rows, place, size + taken - len(group)) for size, rows, place in next_ones]
            found.append(np.maximum.reduce([rows[place + turn - 1] for rows, place, turn in needed if turn > 0]))
        return found

    def _rows_of(self, steps: Sequence[int]) -> Integers:
        return _padded(np.logical_or.reduce([self._facts.steps[step] for step in steps]), len(steps))


def _padded(fits: Flags, more: int) -> Integers:
    """List the rows that fit, and then the row after the last some times."""
    return np.append(np.flatnonzero(fits), np.full(more, len(fits)))


def _subsets(group: Sequence[int]) -> list[tuple[int, ...]]:
    return [steps for size in range(1, len(group) + 1) for steps in combinations(group, size)]
