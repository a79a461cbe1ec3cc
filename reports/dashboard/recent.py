"""Recent events: a process summarises each block, and each small segment that the summaries lack, once.

Nothing is ever out of date: segments and blocks never change, so what was made of them is known by their ids. It stays
as long as they are there, and there are never many: a segment is merged soon, and then the summaries have it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import pyarrow as pa

from reports.dashboard.memory import BoundedMemory
from storage.segments.snapshot import EventSnapshot
from storage.summaries.periods import Span
from storage.summaries.sights import NO_SIGHTS, FirstSights, merge_sights
from storage.summaries.summarise import SUMMARY_COLUMNS, first_sights, summarise
from storage.summaries.summary import Summary, add

PartId: TypeAlias = UUID | frozenset[UUID]
"""A segment, or some blocks together."""
MOST_BLOCK_PARTS = 16
"""Blocks are summarised as they come; in more parts than that they take longer to add up than to summarise anew."""
MOST_SUMS = 16
"""Sums of spans that are remembered: those of both ranges of a few dashboards."""


@dataclass(frozen=True, slots=True, eq=False)
class RecentPart:
    """What was made of a segment or of blocks: a summary by hour, ascending, and first sights."""

    hours: Mapping[datetime, Summary]
    sights: FirstSights


@dataclass(frozen=True, slots=True, eq=False)
class RecentEvents:
    """All events of a snapshot that are not summarised.

    Attributes:
        parts: by id.
        sights: of all of them.
    """

    parts: Mapping[PartId, RecentPart]
    sights: FirstSights


class RecentMemory:
    """Remembers what was made of the parts that are not summarised. One is shared by all reports of a process."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._known = RecentEvents({}, NO_SIGHTS)
        self._sums: BoundedMemory[tuple[Span, ...], tuple[AbstractSet[PartId], Summary]] = BoundedMemory(MOST_SUMS)

    async def read(self, snapshot: EventSnapshot) -> RecentEvents:
        """Summarise what is new since the last call, and forget what is gone.

        Raises:
            SegmentError: a segment cannot be read; it is named.
            StorageUnavailableError: the place of segments is away.
        """
        async with self._lock:
            known = self._known
            blocks = set(snapshot.blocks)
            segments = {segment.id: segment for segment in snapshot.segments if not segment.is_summarised}
            parts = {key: part for key, part in known.parts.items() if _is_there(key, segments, blocks)}
            groups = [key for key in parts if isinstance(key, frozenset)]
            if len(groups) >= MOST_BLOCK_PARTS:
                for key in groups:
                    del parts[key]
                groups = []
            fresh = frozenset(blocks.difference(*groups))
            for segment_id in segments.keys() - parts.keys():
                table = await snapshot.table_of_segment(segments[segment_id], SUMMARY_COLUMNS)
                parts[segment_id] = await asyncio.to_thread(_make_part, table)
            if fresh:
                blocks_table = await snapshot.table_of_blocks(fresh, SUMMARY_COLUMNS)
                if blocks_table is not None:
                    parts[fresh] = await asyncio.to_thread(_make_part, blocks_table)
            if parts.keys() != known.parts.keys():
                known = self._known = RecentEvents(parts, await asyncio.to_thread(self._merge_sights, known, parts))
            return known

    def sum(self, recent: RecentEvents, spans: Sequence[Span]) -> Summary:
        """Add up the whole hours that lie in some spans; to be called in a thread."""
        key = tuple(spans)
        known, summed = self._sums.recall(key) or (frozenset(), Summary())
        if not known <= recent.parts.keys():
            known, summed = frozenset(), Summary()
        fresh = [
            summary
            for part_id, part in recent.parts.items()
            if part_id not in known
            for hour, summary in part.hours.items()
            if any(span.start <= hour < span.end for span in spans)
        ]
        whole = add([summed, *fresh]) if fresh else summed
        self._sums.keep(key, (frozenset(recent.parts), whole))
        return whole

    @staticmethod
    def _merge_sights(known: RecentEvents, parts: Mapping[PartId, RecentPart]) -> FirstSights:
        if known.parts.keys() <= parts.keys():
            added = [part.sights for key, part in parts.items() if key not in known.parts]
            return merge_sights([known.sights, *added])
        return merge_sights([part.sights for part in parts.values()])


def _is_there(key: PartId, segments: Mapping[UUID, object], blocks: Collection[UUID]) -> bool:
    if isinstance(key, frozenset):
        return all(block_id in blocks for block_id in key)
    return key in segments


def _make_part(table: pa.Table) -> RecentPart:
    return RecentPart(summarise(table), FirstSights(*first_sights(table)))
