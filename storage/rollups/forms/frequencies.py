"""Frequencies: how often things occur in a range, added up from the rankings of its parts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from heapq import nlargest
from typing import TypeVar

from storage.rollups.forms.numbers import EXACTLY, add_numbers
from storage.rollups.forms.ranking import Ranking

ThingT = TypeVar("ThingT", str, tuple[str, str])


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How frequent things are: counts and amounts (nothing where there are none) by kind and name.

    What is not listed occurs `error` times at most, and what is listed so many times more.
    """

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    amounts: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    error: int = 0


@dataclass(frozen=True, slots=True)
class Rankings:
    """How frequent the contents are, by type and id, and the conversion paths, by currency and path."""

    content: Frequencies = Frequencies()
    paths: Frequencies = Frequencies()

    @property
    def entries(self) -> int:
        """How much memory this takes, as `Sums.entries` counts."""
        return 1 + len(self.content.counts) + len(self.paths.counts)


def rankings_of(rankings: Iterable[tuple[str, Ranking]]) -> Rankings:
    """Return the rankings of one period, given by name; each may occur once or not."""
    return Rankings(**{name: _read_frequencies(ranking) for name, ranking in rankings})


def add_rankings(parts: Sequence[Rankings]) -> Rankings:
    """Add the rankings of parts up."""
    if len(parts) == 1:
        return parts[0]
    return Rankings(
        content=_add_frequencies([part.content for part in parts]),
        paths=_add_frequencies([part.paths for part in parts]),
    )


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


def _read_frequencies(ranking: Ranking) -> Frequencies:
    things = list(zip(ranking.kinds, ranking.names, strict=True))
    return Frequencies(
        dict(zip(things, ranking.counts, strict=True)),
        {thing: amount for thing, amount in zip(things, ranking.amounts, strict=True) if amount is not None},
        ranking.error,
    )


def _add_frequencies(parts: Sequence[Frequencies]) -> Frequencies:
    counts: dict[tuple[str, str], int] = {}
    amounts: dict[tuple[str, str], Decimal] = {}
    with localcontext(EXACTLY):
        for part in sorted(parts, key=lambda part: len(part.counts), reverse=True):
            add_numbers(counts, part.counts)
            add_numbers(amounts, part.amounts)
    return Frequencies(counts, amounts, sum(part.error for part in parts))
