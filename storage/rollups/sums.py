"""Sums of rollups, in Python: what a report adds up of a few dozen periods, most of which it has read before."""

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import MAX_PREC, Decimal, localcontext
from typing import TypeAlias

from storage.rollups.sketch import EMPTY, estimate, merge_sketches
from storage.rollups.totals import Distinct, Total

Number: TypeAlias = int | Decimal
Measures: TypeAlias = Mapping[str, Mapping[str, Number]]
"""What `metadata` holds: a number by measure and key."""

LARGEST = "max"
"""The one measure whose numbers do not add up: the largest stays."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a period's rollup holds, as often as it is added up: counts and measures by event type, and sketches."""

    counts: Mapping[str, int]
    measures: Mapping[str, Measures]
    distinct: Distinct


NOBODY = Distinct(EMPTY, EMPTY, EMPTY)
NOTHING = Part({}, {}, NOBODY)


def read_part(rows: Iterable[tuple[str, Total]], distinct: Distinct) -> Part:
    """Read the totals of one period by event type."""
    counts: dict[str, int] = {}
    measures: dict[str, Measures] = {}
    for event_type, total in rows:
        counts[event_type] = total.count
        measures[event_type] = json.loads(total.metadata, parse_float=Decimal)
    # Most hours have no streams: one sketch that is empty stands for all.
    return Part(counts, measures, Distinct(*(EMPTY if sketch == EMPTY else sketch for sketch in distinct)))


@dataclass(frozen=True, slots=True)
class Sums:
    """The sum of some parts."""

    counts: dict[str, int] = field(default_factory=dict)
    measures: dict[str, dict[str, dict[str, Number]]] = field(default_factory=dict)
    distinct: Distinct = NOBODY

    @property
    def events(self) -> int:
        """Events of all types."""
        return sum(self.counts.values())

    @property
    def users(self) -> int:
        """Distinct actors, estimated."""
        return round(estimate(self.distinct.actors))

    @property
    def live_streams(self) -> int:
        """Distinct live streams, estimated."""
        return round(estimate(self.distinct.streams))

    def keys_of(self, measure: str, event_type: str) -> Mapping[str, Number]:
        """Return the numbers of a measure of one type by key; empty where there are none."""
        return self.measures.get(event_type, {}).get(measure, {})

    def types_of(self, measure: str) -> Iterator[Mapping[str, Number]]:
        """Yield the numbers of a measure by key, of each type that has it."""
        for measures in self.measures.values():
            if measure in measures:
                yield measures[measure]


def add_up(parts: Sequence[Part]) -> Sums:
    """Add parts up, exactly, and merge their sketches."""
    counts: dict[str, int] = {}
    measures: dict[str, dict[str, dict[str, Number]]] = {}
    with localcontext(prec=MAX_PREC):
        for part in parts:
            for event_type, count in part.counts.items():
                counts[event_type] = counts.get(event_type, 0) + count
            for event_type, found in part.measures.items():
                known = measures.setdefault(event_type, {})
                for measure, keys in found.items():
                    _merge_keys(known.setdefault(measure, {}), keys, max if measure == LARGEST else operator.add)
    return Sums(counts, measures, merge_distinct(part.distinct for part in parts))


def merge_distinct(some: Iterable[Distinct]) -> Distinct:
    """Merge sketches, each kind for itself."""
    kinds = zip(*some, strict=True)
    merged = [merge_sketches(sketch for sketch in kind if sketch is not EMPTY) for kind in kinds]
    return Distinct(*merged) if merged else NOBODY


def _merge_keys(
    known: dict[str, Number], keys: Mapping[str, Number], merge: Callable[[Number, Number], Number]
) -> None:
    for key, number in keys.items():
        known[key] = merge(known[key], number) if key in known else number
