"""Keeping segments: seals blocks, merges small segments into larger ones, and drops what has aged.

Each of these can be stopped at any statement, and run by several servers at once. The event loop is never kept: tables
are made, sorted and written in a thread.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import numpy as np
import pyarrow as pa
import structlog

from storage.blocks.codec import Block, decode_columns
from storage.segments.catalogue import Segment, SegmentCatalogue, SegmentChange, WaitingBlock
from storage.segments.files import Range, SegmentFile, SegmentReader, split_rows, write_segment
from storage.segments.parts import PartFetcher
from storage.segments.places import TOP_LEVEL
from storage.segments.plans import MOST_SEGMENT_ROWS, HashBucket, Merge, buckets
from storage.segments.schema import EventColumns
from storage.segments.tables import concatenate, integers, sort, table_of_blocks

log = structlog.get_logger(__name__)

LEAST_ROWS_OF_A_DAY = 100_000
"""Fewer late rows of a day stay in a segment of mixed days."""
_DAY_US = 86_400 * 1_000_000


class SegmentKeeper:
    """Seals, merges and ages.

    Args of the constructor:
        catalogue: of the database.
        parts: fetches the bytes of segments.
        known: the columns of the event catalogue.
    """

    def __init__(self, catalogue: SegmentCatalogue, parts: PartFetcher, known: EventColumns) -> None:
        self._catalogue = catalogue
        self._parts = parts
        self._known = known

    async def seal(self, blocks: Sequence[WaitingBlock]) -> bool:
        """Put the events of blocks into segments; tell whether that was done, or somebody else has sealed one of them.

        Raises:
            BlockError: a block cannot be read; it is named.
        """
        ids = [block.id for block in blocks]
        read = await self._catalogue.read_blocks(ids)
        if len(read) < len(ids):
            return False
        files = await asyncio.to_thread(_seal, read, self._known)
        return await self._swap(files, 0, SegmentChange(sealed=ids))

    async def merge(self, merge: Merge) -> bool:
        """Put the events of segments into fewer, larger ones; tell whether that was done, or somebody else was first.

        Raises:
            SegmentDamagedError: a segment cannot be read; it is named, and stays as it is.
            SegmentMissingError: somebody else has replaced one, long ago.
        """
        segments = merge.segments
        footers = await self._catalogue.read_footers([segment.id for segment in segments])
        readers = [SegmentReader(*footers[segment.id], segment.id) for segment in segments]
        chosen = buckets(sum(segment.rows for segment in segments))
        level = TOP_LEVEL if len(chosen) > 1 else 1
        written: list[UUID] = []
        rows = 0
        for bucket in chosen:
            tables = [
                await self._read(segment, reader, bucket) for segment, reader in zip(segments, readers, strict=True)
            ]
            files = await asyncio.to_thread(_merge, tables, splits_days=merge.splits_days)
            rows += sum(file.rows for file in files)
            written += [await self._catalogue.write(file, level) for file in files]
        expected = sum(segment.rows for segment in segments)
        if rows != expected:  # nothing may be lost here, whatever the fault
            await self._catalogue.abandon(written)
            raise AssertionError(f"a merge of {expected} events wrote {rows}")
        return await self._publish(written, SegmentChange(replaced=[segment.id for segment in segments]))

    async def age(self, segments: Sequence[Segment], before: datetime) -> int:
        """Drop the segments all of whose events happened before a time, one by one; return how many."""
        aged = [segment for segment in segments if segment.last_at < before]
        return sum([await self._catalogue.change(SegmentChange(replaced=[segment.id])) for segment in aged])

    async def _read(self, segment: Segment, reader: SegmentReader, bucket: HashBucket) -> pa.Table | None:
        """Read the rows of a bucket; None where there are none."""
        groups = reader.groups(bucket.low, bucket.high)
        if not groups:
            return None
        parts = await self._parts.fetch(segment, reader.ranges(groups))
        return await asyncio.to_thread(_read_bucket, reader, parts, groups, bucket)

    async def _swap(self, files: Sequence[SegmentFile], level: int, change: SegmentChange) -> bool:
        written = [await self._catalogue.write(file, level) for file in files]
        return await self._publish(written, change)

    async def _publish(self, written: Sequence[UUID], change: SegmentChange) -> bool:
        done = await self._catalogue.change(SegmentChange(change.sealed, change.replaced, written))
        log.info(
            "segments_changed" if done else "segments_change_lost",
            blocks=len(change.sealed),
            replaced=len(change.replaced),
            published=len(written),
        )
        return done


def _seal(blocks: Sequence[tuple[UUID, Block]], known: EventColumns) -> list[SegmentFile]:
    table = table_of_blocks([decode_columns(block, block_id) for block_id, block in blocks], known)
    return [write_segment(sort(part)) for part in split_days(table)]


def _merge(tables: Sequence[pa.Table | None], *, splits_days: bool) -> list[SegmentFile]:
    found = [table for table in tables if table is not None]
    if not found:
        return []
    table = sort(concatenate(found))
    days = split_days(table) if splits_days else (table,)
    return [write_segment(part) for day in days for part in split_rows(day, MOST_SEGMENT_ROWS)]


def _read_bucket(
    reader: SegmentReader, parts: Mapping[Range, bytes], groups: Sequence[int], bucket: HashBucket
) -> pa.Table | None:
    table = reader.read(parts, groups)
    actors = integers(table, "actor_hash")
    start, end = np.searchsorted(actors, bucket.low, "left"), np.searchsorted(actors, bucket.high, "right")
    return table.slice(start, end - start) if end > start else None


def split_days(table: pa.Table) -> Iterator[pa.Table]:
    """Split a table into one for each day that has many rows, and one for all other rows; each keeps its order."""
    days = integers(table, "timestamp") // _DAY_US
    numbers, counts = np.unique(days, return_counts=True)
    if len(numbers) > 1:
        large = numbers[counts >= LEAST_ROWS_OF_A_DAY]
        rest = ~np.isin(days, large)
        if len(large) and rest.any():
            yield table.filter(pa.array(rest))
        for day in large:
            yield table.filter(pa.array(days == day))
        if len(large):
            return
    yield table
