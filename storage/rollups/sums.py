"""Sums of rollups, in Python: what a report adds up of a few dozen periods, most of which it has read before."""

import json
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import MAX_PREC, Decimal, localcontext
from typing import TypeAlias, TypeVar

from storage.rollups.sketch import EMPTY, estimate, merge_sketches
from storage.rollups.totals import Distinct, Total, Totals

Number: TypeAlias = int | Decimal
Measures: TypeAlias = Mapping[str, Mapping[str, Number]]
"""What `metadata` holds: a number by measure and key."""

NumberT = TypeVar("NumberT", int, Number)
LARGEST = "max"
"""The one measure whose numbers do not add up: the largest stays."""
NOBODY = Distinct(EMPTY, EMPTY, EMPTY)


@dataclass(frozen=True, slots=True)
class Sums:
    """What happened in a period, or in several: counts and measures by event type, and sketches."""

    counts: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Measures] = field(default_factory=dict)
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


NOTHING = Sums()


def read_sums(rows: Iterable[tuple[str, Total]], distinct: Distinct) -> Sums:
    """Read the totals of one period by event type."""
    counts: dict[str, int] = {}
    measures: dict[str, Measures] = {}
    for event_type, total in rows:
        counts[event_type] = total.count
        measures[event_type] = json.loads(total.metadata, parse_float=Decimal)
    # Most hours have no streams: one sketch that is empty stands for all.
    return Sums(counts, measures, Distinct(*(EMPTY if sketch == EMPTY else sketch for sketch in distinct)))


def sums_of(totals: Totals) -> Sums:
    """Add up what there is of all periods."""
    hours: defaultdict[datetime, list[tuple[str, Total]]] = defaultdict(list)
    for (hour, event_type), total in totals.rows.items():
        hours[hour].append((event_type, total))
    return add_up([read_sums(rows, totals.sketches[hour]) for hour, rows in hours.items()])


def add_up(parts: Sequence[Sums]) -> Sums:
    """Add parts up, exactly, and merge their sketches."""
    if len(parts) == 1:
        return parts[0]
    counts: dict[str, int] = {}
    measures: dict[str, dict[str, dict[str, Number]]] = {}
    with localcontext(prec=MAX_PREC):
        for part in parts:
            _merge_keys(counts, part.counts, operator.add)
            for event_type, found in part.measures.items():
                known = measures.setdefault(event_type, {})
                for measure, keys in found.items():
                    _merge_keys(known.setdefault(measure, {}), keys, max if measure == LARGEST else operator.add)
    return Sums(counts, measures, merge_distinct(part.distinct for part in parts))


def merge_distinct(some: Iterable[Distinct]) -> Distinct:
    """Merge sketches, each kind for itself."""
    kinds = zip(*some, strict=True)
    merged = [_merge_known([sketch for sketch in kind if sketch is not EMPTY]) for kind in kinds]
    return Distinct(*merged) if merged else NOBODY


def _merge_known(sketches: Sequence[bytes]) -> bytes:
    if not sketches:
        return EMPTY
    return sketches[0] if len(sketches) == 1 else merge_sketches(sketches)


def _merge_keys(
    known: dict[str, NumberT], keys: Mapping[str, NumberT], merge: Callable[[NumberT, NumberT], NumberT]
) -> None:
    for key, number in keys.items():
        known[key] = merge(known[key], number) if key in known else number
