"""Sums of rollups, in Python: what a report adds up of a few dozen periods, most of which it has read before."""

import json
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import MAX_PREC, Decimal, localcontext
from typing import TypeAlias, TypeVar

from storage.rollups.ranking import Ranking
from storage.rollups.session_sample import SessionSample, merge_samples
from storage.rollups.sketch import EMPTY, estimate, merge_sketches
from storage.rollups.totals import Distinct, Total, Totals

Number: TypeAlias = int | Decimal
Measures: TypeAlias = Mapping[str, Mapping[str, Number]]
"""What `metadata` holds: a number by measure and key."""

NumberT = TypeVar("NumberT", int, Number)
KeyT = TypeVar("KeyT")
LARGEST = "max"
"""The one measure whose numbers do not add up: the largest stays."""
ENTRIES_OF_SUMS = 10
"""What one takes up that is empty."""
ENTRIES_OF_SKETCH = 64
"""Its 16 KiB, as entries."""
NOBODY = Distinct(EMPTY, EMPTY, EMPTY)
NO_SESSIONS = SessionSample()


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How frequent things are: counts and amounts (zero where there are none) by kind and name.

    What is not listed occurs `error` times at most, and what is listed so many times more.
    """

    counts: Mapping[tuple[str, str], int]
    amounts: Mapping[tuple[str, str], Number]
    error: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What happened in a period, or in several: counts and measures by event type, and what is known of all types.

    Attributes:
        counts: events.
        measures: what `metadata` holds.
        distinct: sketches of actors, sessions and live streams.
        rankings: how frequent the contents and the conversion paths are, by the ranking's name.
        sample: of sessions.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Measures] = field(default_factory=dict)
    distinct: Distinct = NOBODY
    rankings: Mapping[str, Frequencies] = field(default_factory=dict)
    sample: SessionSample = NO_SESSIONS

    @property
    def events(self) -> int:
        """Events of all types."""
        return sum(self.counts.values())

    @property
    def entries(self) -> int:
        """How much memory this takes, in entries of some 210 bytes."""
        sketches = sum(sketch is not EMPTY for sketch in self.distinct)
        measured = sum(len(keys) for measures in self.measures.values() for keys in measures.values())
        ranked = sum(len(some.counts) for some in self.rankings.values())
        return ENTRIES_OF_SUMS + ENTRIES_OF_SKETCH * sketches + measured + ranked + len(self.sample.keys)

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


def read_frequencies(ranking: Ranking) -> Frequencies:
    """Read a ranking."""
    keys = [(kind or "", name) for kind, name in zip(ranking.kinds, ranking.names, strict=True)]
    return Frequencies(
        dict(zip(keys, ranking.counts, strict=True)),
        {key: amount for key, amount in zip(keys, ranking.amounts, strict=True) if amount is not None},
        ranking.error,
    )


def sums_of(totals: Totals) -> dict[datetime, Sums]:
    """Return what there is of each period."""
    rows: defaultdict[datetime, list[tuple[str, Total]]] = defaultdict(list)
    for (time, event_type), total in totals.rows.items():
        rows[time].append((event_type, total))
    rankings: defaultdict[datetime, dict[str, Frequencies]] = defaultdict(dict)
    for (time, name), ranking in totals.rankings.items():
        rankings[time][name] = read_frequencies(ranking)
    return {
        time: Sums(
            counts={event_type: total.count for event_type, total in of_types},
            measures={event_type: json.loads(total.metadata, parse_float=Decimal) for event_type, total in of_types},
            # Most hours have no streams: one sketch that is empty stands for all.
            distinct=Distinct(*(EMPTY if sketch == EMPTY else sketch for sketch in totals.sketches[time])),
            rankings=rankings[time],
            sample=totals.samples.get(time, NO_SESSIONS),
        )
        for time, of_types in rows.items()
    }


def add_up(parts: Sequence[Sums]) -> Sums:
    """Add parts up, exactly, and merge what does not add up."""
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
        rankings = {
            name: _add_frequencies([part.rankings[name] for part in parts if name in part.rankings])
            for name in {name for part in parts for name in part.rankings}
        }
    return Sums(
        counts,
        measures,
        merge_distinct(part.distinct for part in parts),
        rankings,
        merge_samples(part.sample for part in parts),
    )


def _add_frequencies(parts: Sequence[Frequencies]) -> Frequencies:
    counts: dict[tuple[str, str], int] = {}
    amounts: dict[tuple[str, str], Number] = {}
    for part in parts:
        _merge_keys(counts, part.counts, operator.add)
        _merge_keys(amounts, part.amounts, operator.add)
    return Frequencies(counts, amounts, sum(part.error for part in parts))


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
    known: dict[KeyT, NumberT], keys: Mapping[KeyT, NumberT], merge: Callable[[NumberT, NumberT], NumberT]
) -> None:
    for key, number in keys.items():
        known[key] = merge(known[key], number) if key in known else number
