"""Sums of rollups, in Python: what a report adds up of a few dozen periods, most of which it has read before."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TypeAlias

from storage.rollups.forms.numbers import EXACTLY, Number, add_numbers, keep_largest
from storage.rollups.forms.session_sample import SessionSample, merge_samples
from storage.rollups.forms.sketch import EMPTY, estimate, merge_sketches
from storage.rollups.totals import Total, Totals

Measures: TypeAlias = Mapping[str, Mapping[str, Number]]
"""What `metadata` holds: a number by measure and key."""

LARGEST = "max"
"""The one measure whose numbers do not add up: the largest stays."""
ENTRIES_OF_SUMS = 10
"""What one takes up that is empty."""
ENTRIES_OF_SKETCH = 64
"""Its 16 KiB, as entries."""
NO_SESSIONS = SessionSample()


@dataclass(frozen=True, slots=True)
class Sums:
    """What happened in a period, or in several: counts and measures by event type, and what is known of all types.

    Attributes:
        counts: events.
        measures: what `metadata` holds.
        actors, streams: sketches of the actors and of the live streams.
        sample: of sessions.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Measures] = field(default_factory=dict)
    actors: bytes = EMPTY
    streams: bytes = EMPTY
    sample: SessionSample = NO_SESSIONS

    @property
    def events(self) -> int:
        """Events of all types."""
        return sum(self.counts.values())

    @property
    def entries(self) -> int:
        """How much memory this takes, in entries of some 210 bytes."""
        sketches = (self.actors is not EMPTY) + (self.streams is not EMPTY)
        measured = sum(len(keys) for measures in self.measures.values() for keys in measures.values())
        return ENTRIES_OF_SUMS + ENTRIES_OF_SKETCH * sketches + measured + len(self.sample.keys)

    @property
    def users(self) -> int:
        """Distinct actors, estimated."""
        return round(estimate(self.actors))

    @property
    def live_streams(self) -> int:
        """Distinct live streams, estimated."""
        return round(estimate(self.streams))

    def keys_of(self, measure: str, event_type: str) -> Mapping[str, Number]:
        """Return the numbers of a measure of one type by key; empty where there are none."""
        return self.measures.get(event_type, {}).get(measure, {})

    def types_of(self, measure: str) -> Iterator[Mapping[str, Number]]:
        """Yield the numbers of a measure by key, of each type that has it."""
        for measures in self.measures.values():
            if measure in measures:
                yield measures[measure]


def sums_of(totals: Totals) -> dict[datetime, Sums]:
    """Return what there is of each period."""
    rows: defaultdict[datetime, list[tuple[str, Total]]] = defaultdict(list)
    for (time, event_type), total in totals.rows.items():
        rows[time].append((event_type, total))
    return {
        time: Sums(
            counts={event_type: total.count for event_type, total in of_types},
            measures={event_type: json.loads(total.metadata, parse_float=Decimal) for event_type, total in of_types},
            actors=totals.sketches[time].actors,
            streams=_one_empty(totals.sketches[time].streams),
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
    with localcontext(EXACTLY):
        for part in parts:
            add_numbers(counts, part.counts)
            for event_type, found in part.measures.items():
                known = measures.setdefault(event_type, {})
                for measure, numbers in found.items():
                    merge = keep_largest if measure == LARGEST else add_numbers
                    merge(known.setdefault(measure, {}), numbers)
    return Sums(
        counts,
        measures,
        _merge_known([part.actors for part in parts if part.actors is not EMPTY]),
        _merge_known([part.streams for part in parts if part.streams is not EMPTY]),
        merge_samples(part.sample for part in parts),
    )


def _one_empty(sketch: bytes) -> bytes:
    """Let one sketch that is empty stand for all: most hours have no streams."""
    return EMPTY if sketch == EMPTY else sketch


def _merge_known(sketches: Sequence[bytes]) -> bytes:
    if not sketches:
        return EMPTY
    return sketches[0] if len(sketches) == 1 else merge_sketches(sketches)
