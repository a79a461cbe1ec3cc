"""Reading rollups for a report: their sums over a range, to the last commit."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from storage.predicates import Query
from storage.reader import Snapshot
from storage.rollups.aged import RangeCover
from storage.rollups.cover import SLICES, Period, Span, hours_of, join_spans, slice_hour, split_days
from storage.rollups.memory import PartKey
from storage.rollups.periods import Timeframe
from storage.rollups.sketch import unpack
from storage.rollups.sums import NOTHING, Part, Sums, add_up, read_part
from storage.rollups.totals import Distinct, Total, Totals, aggregate_events
from storage.sql import statement

Wanted: TypeAlias = tuple[Period, bool | None]
"""A rollup: frozen, live or (None) both."""


async def sum_ranges(snapshot: Snapshot, covers: Sequence[RangeCover], unfolded: Collection[datetime]) -> list[Sums]:
    """Add up what happened in each range.

    Args:
        snapshot: what to read from.
        covers: the ranges.
        unfolded: hours with events that their rollups lack.
    """
    cut = [list(_cut_hours(found.rest, unfolded)) for found in covers]
    wanted = {wanted for found in covers for wanted in _wanted(found)}
    wanted |= {(Period(Timeframe.HOUR, Timeframe.HOUR.start_of(span.start)), False) for spans in cut for span in spans}
    keys = await _find_keys(snapshot, list(wanted))
    sums = []
    for found, spans in zip(covers, cut, strict=True):
        slices, rest = _slice_spans(spans, keys)
        rest += _unfolded_spans(found.rest, unfolded)
        of_rollups = [key for asked in _wanted(found) for key in keys[asked]]
        parts = await _recall(snapshot, of_rollups, _read_rollups)
        parts += await _recall(snapshot, slices, _read_slices)
        for span in split_days(join_spans(sorted(rest))):
            parts += _parts_of(await aggregate_events(snapshot.connection, *span))
        sums.append(add_up(parts))
    return sums


def _wanted(found: RangeCover) -> Iterator[Wanted]:
    """Name the rollups of a range, and whether only frozen ones are meant."""
    for period in found.periods:
        yield period, None
    for period in found.frozen:
        yield period, True


def _cut_hours(rest: Iterable[Span], unfolded: Collection[datetime]) -> Iterator[Span]:
    """Name the parts of hours whose rollups are complete, though a range cuts them."""
    for span in rest:
        for hour in hours_of(span):
            if hour not in unfolded:
                yield Span(max(span.start, hour), min(span.end, Timeframe.HOUR.end_of(hour)))


def _unfolded_spans(rest: Iterable[Span], unfolded: Collection[datetime]) -> Iterator[Span]:
    for span in rest:
        for hour in hours_of(span):
            if hour in unfolded:
                yield Span(max(span.start, hour), min(span.end, Timeframe.HOUR.end_of(hour)))


def _slice_spans(spans: Iterable[Span], keys: Mapping[Wanted, Sequence[PartKey]]) -> tuple[list[PartKey], list[Span]]:
    """Cut parts of hours into slices, which change with the rollup of their hour alone, and the rest.

    An hour without a live rollup has no raw events.
    """
    slices: list[PartKey] = []
    rest: list[Span] = []
    for span in spans:
        for hour in keys[Period(Timeframe.HOUR, Timeframe.HOUR.start_of(span.start)), False]:
            of_hour, left = slice_hour(span)
            slices += [
                PartKey(str(part.end - part.start), part.start, frozen=False, version=hour.version) for part in of_hour
            ]
            rest += left
    return slices, rest


async def _find_keys(snapshot: Snapshot, wanted: Sequence[Wanted]) -> dict[Wanted, list[PartKey]]:
    """Find what there is of each of these rollups."""
    rows = await snapshot.fetch(
        "rollup_versions",
        [period.timeframe.value for period, _ in wanted],
        [period.start for period, _ in wanted],
        [frozen for _, frozen in wanted],
    )
    keys: dict[Wanted, list[PartKey]] = {asked: [] for asked in wanted}
    for row in rows:
        key = PartKey(row["timeframe"], row["timestamp"], row["frozen"], row["version"])
        keys[Period(Timeframe(key.timeframe), key.timestamp), row["asked"]].append(key)
    return keys


async def _recall(
    snapshot: Snapshot,
    keys: Sequence[PartKey],
    read: Callable[[Snapshot, Sequence[PartKey]], Awaitable[dict[PartKey, Part]]],
) -> list[Part]:
    """Return the parts of these keys, from memory where they are known."""
    lacking = snapshot.rollups.lacks(keys)
    return snapshot.rollups.recall(keys, await read(snapshot, lacking) if lacking else {})


async def _read_rollups(snapshot: Snapshot, keys: Sequence[PartKey]) -> dict[PartKey, Part]:
    asked = ([key.timeframe for key in keys], [key.timestamp for key in keys], [key.frozen for key in keys])
    totals: defaultdict[tuple[object, ...], list[tuple[str, Total]]] = defaultdict(list)
    for row in await snapshot.fetch("rollup_totals", *asked):
        place = (row["timeframe"], row["timestamp"], row["frozen"])
        totals[place].append((row["event_type"], Total(row["count"], row["metadata"])))
    distinct = {
        (row["timeframe"], row["timestamp"], row["frozen"]): Distinct(*(unpack(row[kind]) for kind in Distinct._fields))
        for row in await snapshot.fetch("rollup_sketches", *asked)
    }
    return {key: read_part(totals[key[:3]], distinct[key[:3]]) for key in keys}


async def _read_slices(snapshot: Snapshot, keys: Sequence[PartKey]) -> dict[PartKey, Part]:
    lengths = {str(length): length for length in SLICES}
    return {
        key: _one_part(
            await aggregate_events(snapshot.connection, key.timestamp, key.timestamp + lengths[key.timeframe])
        )
        for key in keys
    }


def _one_part(totals: Totals) -> Part:
    """Return the part of a slice, which lies in one hour."""
    return next(_parts_of(totals), NOTHING)


def _parts_of(totals: Totals) -> Iterator[Part]:
    """Return the parts of raw events, one an hour."""
    hours: defaultdict[datetime, list[tuple[str, Total]]] = defaultdict(list)
    for (hour, event_type), total in totals.rows.items():
        hours[hour].append((event_type, total))
    for hour, rows in hours.items():
        yield read_part(rows, totals.sketches[hour])


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
