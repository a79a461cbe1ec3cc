"""Frequencies: how often things occur, and how far the counts may be from the true ones.

They are exact as long as nothing is left out. What is kept for long keeps only the most frequent things; what is left
out then is lost to all that it is added to. So each carries one bound for all things, listed or not ("Mergeable
summaries", Agarwal et al. 2012): how much more often than listed, or than never, any of them may have occurred.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from heapq import nlargest
from typing import TypeVar

from storage.summaries.forms.numbers import EXACTLY, add_numbers

MOST_LISTED = 2000
"""Tails are long: keeping all would make a summary grow with what it counts."""
LISTED_AFTER_CUT = 1000
"""Half of it: the few things that a late event adds are not what is cut each time, so that the error grows slowly."""

ThingT = TypeVar("ThingT", str, tuple[str, str])


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How frequent things are.

    Attributes:
        counts: by kind and name.
        amounts: by kind and name, where there are any.
        error: what is not listed occurs so many times at most, and what is listed so many times more at most.
    """

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    amounts: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    error: int = 0

    def cut(self) -> "Frequencies":
        """Leave the rarest things out if there are more than MOST_LISTED; those of the same count in their own order.

        Returns:
            Itself where nothing is left out.
        """
        if len(self.counts) <= MOST_LISTED:
            return self
        kept = find_most_frequent(self.counts, LISTED_AFTER_CUT + 1)
        largest_lost = self.counts[kept.pop()]
        return Frequencies(
            {thing: self.counts[thing] for thing in kept},
            {thing: self.amounts[thing] for thing in kept if thing in self.amounts},
            self.error + largest_lost,
        )

    def agrees_with(self, other: "Frequencies") -> bool:
        """Tell whether both may count the same events: no thing's bounds exclude each other."""
        for thing in self.counts.keys() | other.counts.keys():
            mine, theirs = self.counts.get(thing, 0), other.counts.get(thing, 0)
            if mine > theirs + other.error or theirs > mine + self.error:
                return False
        if self.error or other.error:
            return True
        return self.amounts == other.amounts


NO_THINGS = Frequencies()


def add_frequencies(parts: Sequence[Frequencies]) -> Frequencies:
    """Add parts up, leaving nothing out; in which order does not matter."""
    parts = [part for part in parts if part is not NO_THINGS]
    if len(parts) <= 1:
        return parts[0] if parts else NO_THINGS
    counts: dict[tuple[str, str], int] = {}
    amounts: dict[tuple[str, str], Decimal] = {}
    with localcontext(EXACTLY):
        for part in sorted(parts, key=lambda part: len(part.counts), reverse=True):
            add_numbers(counts, part.counts)
            add_numbers(amounts, part.amounts)
    return Frequencies(counts, amounts, sum(part.error for part in parts))


def find_most_frequent(counts: Mapping[ThingT, int], most: int) -> list[ThingT]:
    """Find the things of the greatest counts, those of the same count in their own order.

    Example:
        >>> find_most_frequent({"b": 2, "c": 1, "a": 2, "d": 3}, 2)
        ['d', 'a']
    """
    # Few are compared by their names: counts are compared in a tenth of the time.
    least = min(nlargest(most, counts.values()), default=0)
    frequent = [thing for thing, count in counts.items() if count >= least]
    return sorted(frequent, key=lambda thing: (-counts[thing], thing))[:most]
