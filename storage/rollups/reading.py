"""Reading rollups for a report: what is known of a range, to the last commit."""

from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, groupby
from typing import Generic, TypeAlias

from storage.postgres.reader import Snapshot
from storage.rollups.aged import RangeCover
from storage.rollups.cover import MINUTE, SLICES, Period, Span, hours_of, overlap, parts_of_hours, slice_hour
from storage.rollups.facets import Facet
from storage.rollups.memory import Keys, PartT, RollupKey
from storage.rollups.periods import Timeframe
from storage.rollups.raw.raw_events import ALL, WrittenRollup
from storage.rollups.raw.unfolded import Unfolded

Wanted: TypeAlias = tuple[Period, bool | None]
"""A rollup: frozen, live or (None) both."""
BLOCK_HOURS = 6
"""The hours of such a block are also remembered together: as a range moves on, those at its ends change, and few blocks
have to be added up anew."""


@dataclass(frozen=True, slots=True)
class CutHour:
    """What a part of an hour is read from.

    Attributes:
        slices: of what is folded, which change with the hour's rollup alone.
        rest: what is left at both ends, less than a minute.
        fresh: where in the slices there are events that are not folded.
    """

    slices: Keys = ()
    rest: Sequence[Span] = ()
    fresh: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class FoundRollups:
    """What a range is read from.

    Attributes:
        rollups: those of periods that lie in it.
        fresh: where in these periods there are events that are not folded.
        cut: parts of hours.
        opaque: what only raw events can tell.
        events_at_most: how many events it has; hours that it cuts count as a whole.
    """

    rollups: Keys
    fresh: Sequence[Span]
    cut: Mapping[Span, CutHour]
    opaque: Sequence[Span]
    events_at_most: int


@dataclass(frozen=True, slots=True)
class ReadRollups(Generic[PartT]):
    """What happened in a range, and by themselves what adds up to the parts of hours that it cuts."""

    whole: PartT
    cut: Mapping[Span, Sequence[PartT]]


def wanted_of(cover: RangeCover) -> Iterator[Wanted]:
    """Name the rollups of a range."""
    for period in cover.periods:
        yield period, None
    for period in cover.frozen:
        yield period, True


async def find_rollups(snapshot: Snapshot, covers: Sequence[RangeCover], unfolded: Unfolded) -> list[FoundRollups]:
    """Find what ranges are read from."""
    parts = {cover.span: list(parts_of_hours(cover.rest)) for cover in covers}
    hours = {span: _hour_of(span) for spans in parts.values() for span in spans}
    wanted: set[Wanted] = {wanted for cover in covers for wanted in wanted_of(cover)}
    wanted |= {(hour, False) for hour in hours.values()}
    keys, counts = await _find_keys(snapshot, list(wanted))
    found = []
    for cover in covers:
        cut = [span for span in parts[cover.span] if hours[span].start not in unfolded.opaque]
        rollups = tuple(key for wanted in wanted_of(cover) for key in keys[wanted])
        touched = {hours[span] for span in parts[cover.span]}
        counted = {*rollups, *(key for hour in touched for key in keys[hour, False])}
        added = {hour.start for hour in touched} | {*fresh_hours(cover, unfolded)}
        found.append(
            FoundRollups(
                rollups=rollups,
                fresh=[span for hour in fresh_hours(cover, unfolded) for span in unfolded.fresh[hour]],
                cut={span: _cut(span, keys[hours[span], False], unfolded) for span in cut},
                opaque=[span for span in parts[cover.span] if hours[span].start in unfolded.opaque],
                events_at_most=sum(counts[key] for key in counted) + unfolded.count_in(added),
            )
        )
    return found


def fresh_hours(cover: RangeCover, unfolded: Unfolded) -> Iterator[datetime]:
    """Yield the hours of a range's rollups to which fresh events add."""
    cut = {hour for span in cover.rest for hour in hours_of(span)}
    for hour in unfolded.fresh:
        if cover.span.start <= hour < cover.span.end and hour not in cut:
            yield hour


async def read(
    snapshot: Snapshot, ranges: Sequence[FoundRollups], unfolded: Unfolded, facet: Facet[PartT]
) -> list[ReadRollups[PartT]]:
    """Add up a facet of what happened in each range; what these have in common is asked for once."""
    cut = await _read_cut(snapshot, {span: cut for found in ranges for span, cut in found.cut.items()}, unfolded, facet)
    read_ranges = []
    for found in ranges:
        parts = [await _recall(snapshot, facet, found.rollups)]
        if found.fresh:
            fresh = {found.fresh[0].start: found.fresh}
            parts += (await facet.read_events(snapshot, fresh, unfolded.newer)).values()
        for day, spans in groupby(found.opaque, lambda span: Timeframe.DAY.start_of(span.start)):
            with snapshot.expecting(little=False):
                parts += (await facet.read_events(snapshot, {day: list(spans)}, ALL)).values()
        parts += chain.from_iterable(cut[span] for span in found.cut)
        read_ranges.append(ReadRollups(facet.add(parts), {span: cut[span] for span in found.cut}))
    return read_ranges


def _hour_of(span: Span) -> Period:
    return Period(Timeframe.HOUR, Timeframe.HOUR.start_of(span.start))


async def _find_keys(
    snapshot: Snapshot, wanted: Sequence[Wanted]
) -> tuple[dict[Wanted, list[RollupKey]], dict[RollupKey, int]]:
    """Find what there is of each of these rollups, and how many events each counts."""
    rows = await snapshot.fetch(
        "rollup_versions",
        [period.timeframe.value for period, _ in wanted],
        [period.start for period, _ in wanted],
        [frozen for _, frozen in wanted],
    )
    keys: dict[Wanted, list[RollupKey]] = {asked: [] for asked in wanted}
    counts: dict[RollupKey, int] = {}
    for row in rows:
        key = RollupKey(row["timeframe"], row["timestamp"], row["frozen"], row["version"])
        keys[Period(Timeframe(key.length), key.timestamp), row["asked"]].append(key)
        counts[key] = row["events"] or 0
    return keys, counts


def _cut(span: Span, keys: Sequence[RollupKey], unfolded: Unfolded) -> CutHour:
    """Tell what a part of an hour is read from, given the hour's live rollup: without one, it has no raw events."""
    if not keys:
        return CutHour()
    (hour,) = keys
    slices, rest = slice_hour(span)
    fresh = unfolded.fresh.get(hour.timestamp, ()) if slices else ()
    return CutHour(
        tuple(RollupKey(str(part.end - part.start), part.start, frozen=False, version=hour.version) for part in slices),
        rest,
        [shared for span in fresh if (shared := overlap(span, Span(slices[0].start, slices[-1].end)))],
    )


async def _read_cut(
    snapshot: Snapshot, hours: Mapping[Span, CutHour], unfolded: Unfolded, facet: Facet[PartT]
) -> dict[Span, list[PartT]]:
    """Read what adds up to each part of an hour; no two parts begin at the same time."""
    parts: dict[Span, list[PartT]] = {}
    for span, cut in hours.items():
        read_slices = partial(_read_slices, facet, unfolded.folded_in(_hour_of(span).start))
        parts[span] = await _recall_blocks(snapshot, facet, cut.slices, read_slices)
    rest = {span.start: cut.rest for span, cut in hours.items() if cut.rest}
    fresh = {span.start: cut.fresh for span, cut in hours.items() if cut.fresh}
    for groups, written in ((rest, ALL), (fresh, unfolded.newer)):
        read_now = await facet.read_events(snapshot, groups, written) if groups else {}
        for span, some in parts.items():
            if span.start in read_now:
                some.append(read_now[span.start])
    return parts


async def _read_slices(
    facet: Facet[PartT], folded: WrittenRollup, snapshot: Snapshot, keys: Sequence[RollupKey]
) -> dict[RollupKey, PartT]:
    lengths = {str(length): length for length in SLICES}
    groups = {key.timestamp: [Span(key.timestamp, key.timestamp + lengths[key.length])] for key in keys}
    parts = await facet.read_events(snapshot, groups, folded) if keys else {}
    return {key: parts.get(key.timestamp) or facet.add([]) for key in keys}


async def _recall(snapshot: Snapshot, facet: Facet[PartT], keys: Keys) -> PartT:
    """Return the sum of rollups, from memory where it is known, reading what is not."""
    whole = snapshot.rollups.recall(facet.kind, keys)
    if whole is None:
        whole = facet.add(await _recall_blocks(snapshot, facet, keys, facet.read_rollups))
        snapshot.rollups.keep(keys, whole)
    return whole


async def _recall_blocks(
    snapshot: Snapshot,
    facet: Facet[PartT],
    keys: Keys,
    read_new: Callable[[Snapshot, Sequence[RollupKey]], Awaitable[Mapping[RollupKey, PartT]]],
) -> list[PartT]:
    """Return the sums of blocks of what the keys stand for."""
    memory = snapshot.rollups
    blocks = [tuple(block) for _, block in groupby(keys, _block_of)]
    known = {block: memory.recall(facet.kind, block) for block in blocks}
    parts = {key: memory.recall(facet.kind, (key,)) for block in blocks if known[block] is None for key in block}
    new = await read_new(snapshot, [key for key, part in parts.items() if part is None])
    for key, part in new.items():
        memory.keep((key,), part)
    sums = []
    for block, sum_of_block in known.items():
        if sum_of_block is None:
            sums.append(facet.add([new[key] if part is None else part for key in block for part in (parts[key],)]))
            memory.keep(block, sums[-1])
        else:
            sums.append(sum_of_block)
    return sums


def _block_of(key: RollupKey) -> Hashable:
    if key.length == str(MINUTE):
        return key  # which change every minute, and hold little
    if key.length in {Timeframe.DAY.value, Timeframe.MONTH.value}:
        return key.length
    return key.length, key.timestamp.date(), key.timestamp.hour // BLOCK_HOURS
