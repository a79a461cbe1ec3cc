"""Reading rollups for a report: their sums over a range, to the last commit."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from storage.predicates import Query
from storage.reader import Snapshot
from storage.rollups.aged import RangeCover
from storage.rollups.cover import Period, Span, hours_of, join_spans
from storage.rollups.memory import PartKey
from storage.rollups.periods import Timeframe
from storage.rollups.sums import Part, Sums, add_up, read_part
from storage.rollups.totals import Total
from storage.sql import statement

Wanted: TypeAlias = tuple[Period, bool | None]
"""A rollup: frozen, live or (None) both."""


async def sum_ranges(snapshot: Snapshot, covers: Sequence[RangeCover]) -> list[Sums]:
    """Add up what happened in each range."""
    parts = await _read_parts(snapshot, [wanted for found in covers for wanted in _wanted(found)])
    rest = [(place, span) for place, found in enumerate(covers) for span in found.rest]
    raw = await snapshot.fetch_each([Query(statement("rollup/aggregate"), span) for _, span in rest])
    of_range: list[list[Part]] = [[part for key in _wanted(found) for part in parts[key]] for found in covers]
    for (place, _), rows in zip(rest, raw, strict=True):
        hours: defaultdict[object, list[tuple[str, Total]]] = defaultdict(list)
        for row in rows:
            hours[row["time"]].append((row["event_type"], Total(row["count"], row["metadata"])))
        of_range[place] += map(read_part, hours.values())
    return [add_up(some) for some in of_range]


def _wanted(found: RangeCover) -> Iterator[Wanted]:
    """Name the rollups of a range, and whether only frozen ones are meant."""
    for period in found.periods:
        yield period, None
    for period in found.frozen:
        yield period, True


async def _read_parts(snapshot: Snapshot, wanted: Sequence[Wanted]) -> dict[Wanted, list[Part]]:
    """Read the parts of each of these, from memory where they are known."""
    rows = await snapshot.fetch(
        "rollup_versions",
        [period.timeframe.value for period, _ in wanted],
        [period.start for period, _ in wanted],
        [frozen for _, frozen in wanted],
    )
    keys = sorted({PartKey(row["timeframe"], row["timestamp"], row["frozen"], row["version"]) for row in rows})
    new = await _read_new(snapshot, snapshot.rollups.lacks(keys))
    read = dict(zip(keys, snapshot.rollups.recall(keys, new), strict=True))
    parts: dict[Wanted, list[Part]] = {key: [] for key in wanted}
    for key, part in read.items():
        period = Period(Timeframe(key.timeframe), key.timestamp)
        for asked in ((period, None), (period, True)):
            if asked in parts and (key.frozen or asked[1] is None):
                parts[asked].append(part)
    return parts


async def _read_new(snapshot: Snapshot, keys: Sequence[PartKey]) -> dict[PartKey, Part]:
    if not keys:
        return {}
    totals: defaultdict[tuple[object, ...], list[tuple[str, Total]]] = defaultdict(list)
    for row in await snapshot.fetch(
        "rollup_totals",
        [key.timeframe for key in keys],
        [key.timestamp for key in keys],
        [key.frozen for key in keys],
    ):
        place = (row["timeframe"], row["timestamp"], row["frozen"])
        totals[place].append((row["event_type"], Total(row["count"], row["metadata"])))
    return {key: read_part(totals[key.timeframe, key.timestamp, key.frozen]) for key in keys}


Counts: TypeAlias = Mapping[tuple[int, str], int]
"""Events by period, counted from 1, and type."""


async def count_periods(snapshot: Snapshot, covers: Sequence[RangeCover], starts: Sequence[datetime]) -> Counts:
    """Count the events of ranges by type, and by the periods that begin at `starts`; all of them ascending."""
    rest = join_spans(span for found in covers for span in found.rest)
    queries = [
        _counts_query([wanted for found in covers for wanted in _wanted(found)], starts),
        *(Query(statement("read/event_counts"), (*span, starts)) for span in rest),
    ]
    counts: defaultdict[tuple[int, str], int] = defaultdict(int)
    for rows in await snapshot.fetch_each(queries):
        for row in rows:
            counts[row["period"], row["event_type"]] += row["count"]
    return counts


async def count_at_most(snapshot: Snapshot, covers: Sequence[RangeCover], unfolded: Mapping[datetime, int]) -> int:
    """Tell how many events some ranges have: hours that they cut, or that change just now, count as a whole."""
    wanted = [wanted for found in covers for wanted in _wanted(found)]
    hours = {hour for found in covers for span in found.rest for hour in hours_of(span)}
    wanted += [(Period(Timeframe.HOUR, hour), None) for hour in sorted(hours)]
    rows = await snapshot.fetch_query(_counts_query(wanted, ()))
    known: int = sum(row["count"] for row in rows)
    return known + sum(unfolded[hour] for hour in hours if hour in unfolded)


def _counts_query(wanted: Sequence[Wanted], starts: Sequence[datetime]) -> Query:
    """Ask for the counts of rollups, as few spans of them."""
    spans: list[tuple[Timeframe, bool | None, Span]] = []
    for period, frozen in wanted:
        if spans and spans[-1][:2] == (period.timeframe, frozen) and spans[-1][2].end == period.start:
            spans[-1] = (period.timeframe, frozen, Span(spans[-1][2].start, period.end))
        else:
            spans.append((period.timeframe, frozen, Span(period.start, period.end)))
    return Query(
        statement("read/rollup_counts"),
        (
            [timeframe.value for timeframe, _, _ in spans],
            [span.start for _, _, span in spans],
            [span.end for _, _, span in spans],
            [frozen for _, frozen, _ in spans],
            starts,
        ),
    )
