"""Sums of rollups, in Python: what a report adds up of a few dozen periods, most of which it has read before."""

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import MAX_PREC, Decimal, localcontext
from typing import TypeAlias

from storage.rollups.totals import Total

Number: TypeAlias = int | Decimal
Measures: TypeAlias = Mapping[str, Mapping[str, Number]]
"""What `metadata` holds: a number by measure and key."""

LARGEST = "max"
"""The one measure whose numbers do not add up: the largest stays."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a period's rollup holds, as often as it is added up: counts and measures by event type."""

    counts: Mapping[str, int]
    measures: Mapping[str, Measures]


def read_part(rows: Iterable[tuple[str, Total]]) -> Part:
    """Read the totals of one period by event type."""
    counts: dict[str, int] = {}
    measures: dict[str, Measures] = {}
    for event_type, total in rows:
        counts[event_type] = total.count
        measures[event_type] = json.loads(total.metadata, parse_float=Decimal)
    return Part(counts, measures)


@dataclass(slots=True)
class Sums:
    """The sum of some parts."""

    counts: dict[str, int] = field(default_factory=dict)
    measures: dict[str, dict[str, dict[str, Number]]] = field(default_factory=dict)

    @property
    def events(self) -> int:
        """Events of all types."""
        return sum(self.counts.values())

    def keys_of(self, measure: str, event_type: str) -> Mapping[str, Number]:
        """Return the numbers of a measure of one type by key; empty where there are none."""
        return self.measures.get(event_type, {}).get(measure, {})

    def types_of(self, measure: str) -> Iterator[Mapping[str, Number]]:
        """Yield the numbers of a measure by key, of each type that has it."""
        for measures in self.measures.values():
            if measure in measures:
                yield measures[measure]


def add_up(parts: Sequence[Part]) -> Sums:
    """Add parts up, exactly."""
    sums = Sums()
    with localcontext(prec=MAX_PREC):
        for part in parts:
            for event_type, count in part.counts.items():
                sums.counts[event_type] = sums.counts.get(event_type, 0) + count
            for event_type, measures in part.measures.items():
                known = sums.measures.setdefault(event_type, {})
                for measure, keys in measures.items():
                    _merge_keys(known.setdefault(measure, {}), keys, max if measure == LARGEST else operator.add)
    return sums


def _merge_keys(
    known: dict[str, Number], keys: Mapping[str, Number], merge: Callable[[Number, Number], Number]
) -> None:
    for key, number in keys.items():
        known[key] = merge(known[key], number) if key in known else number
