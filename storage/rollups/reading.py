"""Reading rollups for a report: what is known of a range, to the last commit."""

from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeAlias

from storage.reader import Snapshot
from storage.rollups.aged import RangeCover
from storage.rollups.cover import SLICES, Period, Span, join_spans, parts_of_hours, slice_hour, split_days
from storage.rollups.facets import Facet
from storage.rollups.memory import Keys, PartT, RollupKey
from storage.rollups.periods import Timeframe

Wanted: TypeAlias = tuple[Period, bool | None]
"""A rollup: frozen, live or (None) both."""
BLOCK_HOURS = 6
"""The hours of such a block are also remembered together: as a range moves on, those at its ends change, and few blocks
have to be added up anew."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a range is read from.

    Attributes:
        rollups: those of periods that lie in it.
        cut: parts of hours, and the rollups of these hours, with which they change: none without raw events.
        changing: what only raw events can tell.
    """

    rollups: Keys
    cut: Mapping[Span, Keys]
    changing: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Read(Generic[PartT]):
    """What happened in a range, and by themselves the parts of hours that it cuts."""

    whole: PartT
    cut: Mapping[Span, PartT]


def wanted_of(cover: RangeCover) -> Iterator[Wanted]:
    """Name the rollups of a range."""
    for period in cover.periods:
        yield period, None
    for period in cover.frozen:
        yield period, True


async def find_rollups(snapshot: Snapshot, covers: Sequence[RangeCover], unfolded: Collection[object]) -> list[Found]:
    """Find what ranges are read from.

    Args:
        snapshot: what to read from.
        covers: the ranges.
        unfolded: hours with events that their rollups lack.
    """
    parts = {cover.span: list(parts_of_hours(cover.rest)) for cover in covers}
    folded = {
        span: _hour_of(span) for spans in parts.values() for span in spans if _hour_of(span).start not in unfolded
    }
    wanted: set[Wanted] = {wanted for cover in covers for wanted in wanted_of(cover)}
    wanted |= {(hour, False) for hour in folded.values()}
    keys = await _find_keys(snapshot, list(wanted))
    return [
        Found(
            rollups=tuple(key for wanted in wanted_of(cover) for key in keys[wanted]),
            cut={span: tuple(keys[folded[span], False]) for span in parts[cover.span] if span in folded},
            changing=join_spans(span for span in parts[cover.span] if span not in folded),
        )
        for cover in covers
    ]


async def read(snapshot: Snapshot, found: Found, facet: Facet[PartT]) -> Read[PartT]:
    """Add up a facet of what happened in a range."""
    parts = [await _recall(snapshot, facet, found.rollups, facet.read_rollups)]
    async with snapshot.generic_plans():
        cut = {span: await _read_cut(snapshot, facet, span, hours) for span, hours in found.cut.items()}
    parts += [await facet.read_events(snapshot, span) for span in split_days(found.changing)]
    return Read(facet.add([*parts, *cut.values()]), cut)


def _hour_of(span: Span) -> Period:
    return Period(Timeframe.HOUR, Timeframe.HOUR.start_of(span.start))


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


async def _read_cut(snapshot: Snapshot, facet: Facet[PartT], span: Span, hours: Keys) -> PartT:
    """Read a part of an hour: its slices, which change with the hour's rollup alone, and the raw events of the rest."""
    parts: list[PartT] = []
    for hour in hours:
        slices, rest = slice_hour(span)
        keys = tuple(
            RollupKey(str(part.end - part.start), part.start, frozen=False, version=hour.version) for part in slices
        )
        parts.append(await _recall(snapshot, facet, keys, _read_slices(facet)))
        parts += [await facet.read_events(snapshot, left) for left in rest]
    return facet.add(parts)


def _read_slices(
    facet: Facet[PartT],
) -> Callable[[Snapshot, Sequence[RollupKey]], Awaitable[Mapping[RollupKey, PartT]]]:
    lengths = {str(length): length for length in SLICES}

    async def read_slices(snapshot: Snapshot, keys: Sequence[RollupKey]) -> Mapping[RollupKey, PartT]:
        spans = {key: Span(key.timestamp, key.timestamp + lengths[key.length]) for key in keys}
        return {key: await facet.read_events(snapshot, span) for key, span in spans.items()}

    return read_slices


async def _recall(
    snapshot: Snapshot,
    facet: Facet[PartT],
    keys: Keys,
    read_new: Callable[[Snapshot, Sequence[RollupKey]], Awaitable[Mapping[RollupKey, PartT]]],
) -> PartT:
    """Return what the keys stand for, from memory where it is known, reading what is not."""
    memory = snapshot.rollups
    known = memory.recall(facet.kind, keys)
    if known is not None:
        return known
    blocks = [tuple(block) for _, block in groupby(keys, _block_of)]
    of_blocks = [memory.recall(facet.kind, block) for block in blocks]
    lacking = [key for block, known in zip(blocks, of_blocks, strict=True) if known is None for key in block]
    parts = {key: memory.recall(facet.kind, (key,)) for key in lacking}
    new = await read_new(snapshot, [key for key, part in parts.items() if part is None])
    for key, part in new.items():
        memory.keep((key,), part)
    added = []
    for block, sum_of_block in zip(blocks, of_blocks, strict=True):
        if sum_of_block is None:
            added.append(facet.add([new[key] if part is None else part for key in block for part in (parts[key],)]))
            memory.keep(block, added[-1])
        else:
            added.append(sum_of_block)
    whole = facet.add(added)
    memory.keep(keys, whole)
    return whole


def _block_of(key: RollupKey) -> Hashable:
    if key.length in {Timeframe.DAY.value, Timeframe.MONTH.value}:
        return key.length
    return key.length, key.timestamp.date(), key.timestamp.hour // BLOCK_HOURS
