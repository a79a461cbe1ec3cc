"""Reading rollups for a report: their sums over a range, to the last commit."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from storage.predicates import Query
from storage.reader import Snapshot
from storage.rollups.aged import RangeCover
from storage.rollups.cover import SLICES, Period, Span, hours_of, join_spans, slice_hour, split_days
from storage.rollups.memory import RollupKey
from storage.rollups.periods import Timeframe
from storage.rollups.ranking import Ranking
from storage.rollups.session_sample import SessionSample
from storage.rollups.sketch import unpack
from storage.rollups.sums import NOTHING, Sums, add_up, sums_of
from storage.rollups.totals import Distinct, Total, Totals, aggregate_events
from storage.sql import statement

Wanted: TypeAlias = tuple[Period, bool | None]
"""A rollup: frozen, live or (None) both."""
Counts: TypeAlias = Mapping[tuple[int, str], int]
"""Events by period, counted from 1, and type."""


@dataclass(frozen=True, slots=True)
class RangeSums:
    """What happened in a range, and by themselves the parts of hours that it cuts."""

    sums: Sums
    cut: Mapping[Span, Sums]


async def sum_ranges(
    snapshot: Snapshot, covers: Sequence[RangeCover], unfolded: Collection[datetime]
) -> list[RangeSums]:
    """Add up what happened in each range.

    Args:
        snapshot: what to read from.
        covers: the ranges.
        unfolded: hours with events that their rollups lack.
    """
    cut = [[span for span in _parts_of_hours(found.rest) if _hour(span) not in unfolded] for found in covers]
    wanted = {wanted for found in covers for wanted in _wanted(found)}
    wanted |= {(Period(Timeframe.HOUR, _hour(span)), False) for spans in cut for span in spans}
    keys = await _find_keys(snapshot, list(wanted))
    read = []
    for found, spans in zip(covers, cut, strict=True):
        rollups = tuple(key for asked in _wanted(found) for key in keys[asked])
        parts = [await _recall_sum(snapshot, rollups, _read_rollups)]
        async with snapshot.generic_plans():
            of_cut = {span: await _read_cut(snapshot, span, keys) for span in spans}
        changing = [span for span in _parts_of_hours(found.rest) if _hour(span) in unfolded]
        parts += [await _read_raw(snapshot, span) for span in split_days(join_spans(changing))]
        read.append(RangeSums(add_up([*parts, *of_cut.values()]), of_cut))
    return read


def _wanted(found: RangeCover) -> Iterator[Wanted]:
    """Name the rollups of a range, and whether only frozen ones are meant."""
    for period in found.periods:
        yield period, None
    for period in found.frozen:
        yield period, True


def _parts_of_hours(spans: Iterable[Span]) -> Iterator[Span]:
    for span in spans:
        for hour in hours_of(span):
            yield Span(max(span.start, hour), min(span.end, Timeframe.HOUR.end_of(hour)))


def _hour(span: Span) -> datetime:
    return Timeframe.HOUR.start_of(span.start)


async def _find_keys(snapshot: Snapshot, wanted: Sequence[Wanted]) -> dict[Wanted, list[RollupKey]]:
    """Find what there is of each of these rollups."""
    rows = await snapshot.fetch(
        "rollup_versions",
        [period.timeframe.value for period, _ in wanted],
        [period.start for period, _ in wanted],
        [frozen for _, frozen in wanted],
    )
    keys: dict[Wanted, list[RollupKey]] = {asked: [] for asked in wanted}
    for row in rows:
        key = RollupKey(row["timeframe"], row["timestamp"], row["frozen"], row["version"])
        keys[Period(Timeframe(key.length), key.timestamp), row["asked"]].append(key)
    return keys


async def _read_cut(snapshot: Snapshot, span: Span, keys: Mapping[Wanted, Sequence[RollupKey]]) -> Sums:
    """Read a part of an hour: its slices, which change with the hour's rollup alone, and the raw events of the rest."""
    parts = []
    # An hour without a live rollup has no raw events.
    for hour in keys[Period(Timeframe.HOUR, _hour(span)), False]:
        slices, rest = slice_hour(span)
        of_slices = tuple(
            RollupKey(str(part.end - part.start), part.start, frozen=False, version=hour.version) for part in slices
        )
        parts = [await _recall_sum(snapshot, of_slices, _read_slices)]
        parts += [await _read_raw(snapshot, left) for left in rest]
    return add_up(parts)


async def _recall_sum(
    snapshot: Snapshot,
    keys: tuple[RollupKey, ...],
    read: Callable[[Snapshot, Sequence[RollupKey]], Awaitable[Mapping[RollupKey, Sums]]],
) -> Sums:
    """Return the sum of what the keys stand for, from memory where it is known, reading what is not."""
    memory = snapshot.rollups
    known = memory.recall(keys)
    if known is not None:
        return known
    parts = {key: memory.recall(key) for key in keys}
    new = await read(snapshot, [key for key, part in parts.items() if part is None])
    for key, part in new.items():
        memory.keep(key, part)
    sums = add_up([new[key] if part is None else part for key, part in parts.items()])
    memory.keep(keys, sums)
    return sums


async def _read_rollups(snapshot: Snapshot, keys: Sequence[RollupKey]) -> dict[RollupKey, Sums]:
    """Read rollups, each as totals of a period of its own."""
    asked = ([key.length for key in keys], [key.timestamp for key in keys], [key.frozen for key in keys])
    found = {key: Totals() for key in keys}
    by_place = {key[:3]: (key.timestamp, found[key]) for key in keys}
    for row in await snapshot.fetch("rollup_totals", *asked):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        totals.rows[time, row["event_type"]] = Total(row["count"], row["metadata"])
    for row in await snapshot.fetch("rollup_sketches", *asked):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        totals.sketches[time] = Distinct(*(unpack(row[kind]) for kind in Distinct._fields))
    for row in await snapshot.fetch("rollup_rankings", *asked):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        totals.rankings[time, row["ranking"]] = Ranking(*(row[part] for part in Ranking._fields))
    for row in await snapshot.fetch("rollup_samples", *asked):
        time, totals = by_place[row["timeframe"], row["timestamp"], row["frozen"]]
        totals.samples[time] = SessionSample(*(row[part] for part in SessionSample._fields))
    return {key: add_up(list(sums_of(totals).values())) for key, totals in found.items()}


async def _read_slices(snapshot: Snapshot, keys: Sequence[RollupKey]) -> dict[RollupKey, Sums]:
    lengths = {str(length): length for length in SLICES}
    return {key: await _read_raw(snapshot, Span(key.timestamp, key.timestamp + lengths[key.length])) for key in keys}


async def _read_raw(snapshot: Snapshot, span: Span) -> Sums:
    return add_up(list(sums_of(await aggregate_events(snapshot.connection, *span)).values()))


async def count_periods(
    snapshot: Snapshot, covers: Sequence[RangeCover], starts: Sequence[datetime], known: Mapping[Span, Sums]
) -> Counts:
    """Count the events of ranges by type and period.

    Args:
        snapshot: what to read from.
        covers: the ranges, ascending.
        starts: first moments of the periods, ascending.
        known: parts of hours that have been read, each within one period.
    """
    parts = [part for found in covers for part in _parts_of_hours(found.rest)]
    queries = [
        _counts_query([wanted for found in covers for wanted in _wanted(found)], starts),
        *(
            Query(statement("read/event_counts"), (*span, starts))
            for span in join_spans(part for part in parts if part not in known)
        ),
    ]
    counts: defaultdict[tuple[int, str], int] = defaultdict(int)
    for rows in await snapshot.fetch_each(queries):
        for row in rows:
            counts[row["period"], row["event_type"]] += row["count"]
    for part in parts:
        for event_type, count in known.get(part, NOTHING).counts.items():
            counts[bisect_right(starts, part.start), event_type] += count
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
