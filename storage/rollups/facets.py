"""Facets of what happened: how each is read from rollups and from raw events, and added up.

They are read apart, for not every range is asked for all: a dashboard ranks no contents of the range before.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from storage.postgres.reader import Snapshot
from storage.rollups.forms.frequencies import Rankings, add_rankings, rankings_of
from storage.rollups.forms.ranking import Ranking
from storage.rollups.forms.session_sample import SessionSample
from storage.rollups.forms.sketch import EMPTY, unpack
from storage.rollups.memory import PartT, RollupKey
from storage.rollups.raw.raw_events import Groups, WrittenRollup, aggregate_events, rank_events
from storage.rollups.sums import Sums, add_up, sums_of
from storage.rollups.totals import Distinct, Total, Totals


@dataclass(frozen=True, slots=True)
class Facet(Generic[PartT]):
    """How something of this kind is read and added up.

    Attributes:
        kind: what it is.
        read_rollups: reads those of the keys.
        read_events: reads what some raw events of groups of spans add; a group without any may be missing.
        add: adds up, also nothing.
    """

    kind: type[PartT]
    read_rollups: Callable[[Snapshot, Sequence[RollupKey]], Awaitable[Mapping[RollupKey, PartT]]]
    read_events: Callable[[Snapshot, Groups, WrittenRollup], Awaitable[Mapping[datetime, PartT]]]
    add: Callable[[Sequence[PartT]], PartT]


async def _read_sums(snapshot: Snapshot, keys: Sequence[RollupKey]) -> dict[RollupKey, Sums]:
    """Read rollups, each as totals of a period of its own."""
    found = {key: Totals() for key in keys}
    by_place = {key[:3]: (key.timestamp, found[key]) for key in keys}
    for row in await snapshot.fetch("rollup_totals", *_places(keys)):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        totals.rows[time, row["event_type"]] = Total(row["count"], row["metadata"])
    for row in await snapshot.fetch("rollup_sketches", *_places(keys)):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        # Sessions are known by their sample.
        totals.sketches[time] = Distinct(unpack(row["actors"]), EMPTY, unpack(row["streams"]))
    for row in await snapshot.fetch("rollup_samples", *_places(keys)):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        totals.samples[time] = SessionSample(*(row[part] for part in SessionSample._fields))
    return {key: add_up(list(sums_of(totals).values())) for key, totals in found.items()}


async def _sum_events(snapshot: Snapshot, groups: Groups, written: WrittenRollup) -> dict[datetime, Sums]:
    return sums_of(await aggregate_events(snapshot.fetch_query, groups, written))


async def _read_rankings(snapshot: Snapshot, keys: Sequence[RollupKey]) -> dict[RollupKey, Rankings]:
    found: defaultdict[tuple[object, ...], list[tuple[str, Ranking]]] = defaultdict(list)
    for row in await snapshot.fetch("rollup_rankings", *_places(keys)):
        ranking = Ranking(*(row[part] for part in Ranking._fields))
        found[row["timeframe"], row["timestamp"], row["frozen"]].append((row["ranking"], ranking))
    return {key: rankings_of(found[key[:3]]) for key in keys}


async def _rank_events(snapshot: Snapshot, groups: Groups, written: WrittenRollup) -> dict[datetime, Rankings]:
    found: defaultdict[datetime, list[tuple[str, Ranking]]] = defaultdict(list)
    for (time, name), ranking in (await rank_events(snapshot.fetch_query, groups, written)).items():
        found[time].append((name, ranking))
    return {time: rankings_of(some) for time, some in found.items()}


def _places(keys: Sequence[RollupKey]) -> tuple[list[str], list[object], list[bool]]:
    return [key.length for key in keys], [key.timestamp for key in keys], [key.frozen for key in keys]


SUMS = Facet(Sums, _read_sums, _sum_events, add_up)
RANKINGS = Facet(Rankings, _read_rankings, _rank_events, add_rankings)
