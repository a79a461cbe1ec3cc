"""Keeping segments: seals blocks, merges small segments into larger ones, and removes what has aged.

Each of these can be stopped at any statement, and run by several servers at once. The event loop is never kept: tables
are made, sorted and written in a thread.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Protocol
from uuid import UUID

import numpy as np
import pyarrow as pa
import structlog

from storage.blocks.codec import Block, BlockError, Columns, decode_columns
from storage.segments.catalogue import Also, ChangeOutcome, Segment, SegmentCatalogue, SegmentChange, WaitingBlock
from storage.segments.errors import SegmentDamagedError, UnknownSegmentFormatError
from storage.segments.files import Range, SegmentFile, SegmentReader, split_rows, write_segment
from storage.segments.parts import PartFetcher
from storage.segments.places import TOP_LEVEL
from storage.segments.plans import MOST_SEGMENT_ROWS, HashBucket, Merge, buckets
from storage.segments.schema import EventColumns
from storage.segments.tables import concatenate, integers, sort, table_of_blocks

log = structlog.get_logger(__name__)

LEAST_ROWS_OF_A_DAY = 100_000
"""Fewer late rows of a day stay in a segment of mixed days."""
MOST_TRIES = 5
"""So often summaries are prepared anew where another process was first; then the whole change is for the next run."""
ALL_ACTORS = HashBucket(-(2**63), 2**63 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400 * 1_000_000


class Summarising(Protocol):
    """Adds events to the summaries, in the transaction that publishes the segments that they are merged into."""

    async def prepare(self, tables: Sequence[pa.Table]) -> Also:
        """Prepare to add each event of some tables once; what is returned does it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What ageing has removed of a segment: rows, and bytes of its file."""

    rows: int = 0
    bytes: int = 0


class SegmentKeeper:
    """Seals, merges and ages. One that was made without summaries summarises nothing.

    Args of the constructor:
        catalogue: of the database.
        parts: fetches the bytes of segments.
        known: the columns of the event catalogue.
        summaries: takes the events of segments when they are merged first, or age before.
        copies: whether the table `analytics_events` wants the events of new segments.

    Attributes:
        damaged: ids of blocks and segments that could not be read; nobody need try them again.
    """

    def __init__(
        self,
        catalogue: SegmentCatalogue,
        parts: PartFetcher,
        known: EventColumns,
        summaries: Summarising | None = None,
        *,
        copies: bool = True,
    ) -> None:
        self._catalogue = catalogue
        self._parts = parts
        self._known = known
        self._summaries = summaries
        self._copies = copies
        self.damaged: set[UUID] = set()

    async def seal(self, blocks: Sequence[WaitingBlock]) -> bool:
        """Put the events of blocks into segments; tell whether that was done, or somebody else has sealed one of them.

        A block that cannot be read is named in the log and stays; the others are sealed.

        Raises:
            BlockError: none of them can be read.
        """
        ids = [block.id for block in blocks]
        read = await self._catalogue.read_blocks(ids)
        if len(read) < len(ids):
            return False
        decoded, files = await asyncio.to_thread(_seal, read, self._known)
        self.damaged |= set(ids) - set(decoded)
        written = [await self._catalogue.write(file, 0, copied_rows=0 if self._copies else file.rows) for file in files]
        return await self._publish(SegmentChange(sealed=decoded, published=written), [])

    async def merge(self, merge: Merge) -> bool:
        """Put the events of segments into fewer, larger ones; tell whether that was done, or somebody else was first.

        Raises:
            SegmentDamagedError: a segment cannot be read; it is named, and stays as it is.
            SegmentMissingError: somebody else has replaced one, long ago.
        """
        segments = merge.segments
        readers = await self._open(segments)
        expected = sum(segment.rows for segment in segments)
        chosen = buckets(expected)
        level = TOP_LEVEL if len(chosen) > 1 else 1
        is_summarised = self._summaries is not None or all(segment.is_summarised for segment in segments)
        written: list[UUID] = []
        fresh: list[pa.Table] = []
        rows = 0
        for bucket in chosen:
            read = {segment.id: await self._read(segment, readers[segment.id], bucket) for segment in segments}
            merged = await asyncio.to_thread(_merge, list(chain.from_iterable(read.values())))
            if merged is None:
                continue
            if not any(segment.is_summarised for segment in segments):
                fresh.append(merged)  # one sorted table is summarised faster than its parts
            else:
                fresh += chain.from_iterable(read[segment.id] for segment in segments if not segment.is_summarised)
            for file in await asyncio.to_thread(_write, merged, splits_days=merge.splits_days):
                copied_rows = file.rows if segments[0].is_copied else 0
                written.append(
                    await self._catalogue.write(file, level, is_summarised=is_summarised, copied_rows=copied_rows)
                )
                rows += file.rows
        if rows != expected:  # nothing may be lost here, whatever the fault
            await self._catalogue.abandon(written)
            raise AssertionError(f"a merge of {expected} events wrote {rows}")
        return await self._publish(SegmentChange(replaced=segments, published=written), fresh)

    async def age(self, segment: Segment, before: datetime) -> Removed:
        """Remove the events of a segment that happened before a time; nothing where somebody else changed it first.

        A segment that also has younger events is rewritten without the older ones. A segment that is not in the
        summaries yet is added to them in the same transaction.

        Raises:
            SegmentDamagedError: the segment cannot be read, and has to be; it is named, and stays as it is.
            SegmentMissingError: somebody else has replaced it, long ago.
        """
        if segment.first_at >= before:
            return Removed()
        needs_summary = not segment.is_summarised and self._summaries is not None
        table, kept = None, None
        if needs_summary or segment.last_at >= before:
            readers = await self._open([segment])
            table = await asyncio.to_thread(_merge, await self._read(segment, readers[segment.id], ALL_ACTORS))
            kept = await asyncio.to_thread(_keep_since, table, before, segment.copied_rows)
        written = []
        if kept is not None:
            is_summarised = needs_summary or segment.is_summarised
            written.append(
                await self._catalogue.write(
                    kept.file, segment.level, is_summarised=is_summarised, copied_rows=kept.copied_rows
                )
            )
        fresh = [table] if needs_summary and table is not None else []
        if not await self._publish(SegmentChange(replaced=[segment], published=written), fresh):
            return Removed()
        left_rows, left_bytes = (0, 0) if kept is None else (kept.file.rows, len(kept.file.data))
        return Removed(segment.rows - left_rows, segment.size_bytes - left_bytes)

    async def count_before(self, segment: Segment, before: datetime) -> Removed:
        """Tell how much of a segment is older than a time; bytes are in proportion.

        Raises:
            SegmentDamagedError, SegmentMissingError: as `age`.
        """
        if segment.first_at >= before:
            return Removed()
        if segment.last_at < before:
            return Removed(segment.rows, segment.size_bytes)
        reader = (await self._open([segment]))[segment.id]
        parts = await self._parts.fetch(segment, reader.ranges(columns=["timestamp"]))
        table = await asyncio.to_thread(reader.read, parts, None, ["timestamp"])
        rows = int(np.count_nonzero(integers(table, "timestamp") < _microseconds(before)))
        return Removed(rows, segment.size_bytes * rows // segment.rows)

    async def _open(self, segments: Sequence[Segment]) -> dict[UUID, SegmentReader]:
        footers = await self._catalogue.read_footers([segment.id for segment in segments])
        readers = {}
        for segment in segments:
            with self._noting_damage(segment.id):
                readers[segment.id] = SegmentReader(*footers[segment.id], segment.id)
        return readers

    async def _read(self, segment: Segment, reader: SegmentReader, bucket: HashBucket) -> list[pa.Table]:
        """Read the rows of a bucket, a sorted table for each row group that has any."""
        groups = reader.groups(bucket.low, bucket.high)
        parts = await self._parts.fetch(segment, reader.ranges(groups))
        with self._noting_damage(segment.id):
            return await asyncio.to_thread(_read_bucket, reader, parts, groups, bucket)

    async def _publish(self, change: SegmentChange, fresh: Sequence[pa.Table]) -> bool:
        """Make a change, and add the events of `fresh` to the summaries in the same transaction."""
        outcome = ChangeOutcome.ALSO_LOST
        for _ in range(MOST_TRIES):
            also = await self._summaries.prepare(fresh) if fresh and self._summaries is not None else None
            outcome = await self._catalogue.change(replace(change, also=also))
            if outcome is not ChangeOutcome.ALSO_LOST:
                break
        else:
            await self._catalogue.abandon(change.published)
        log.info(
            "segments_changed" if outcome is ChangeOutcome.DONE else "segments_change_lost",
            blocks=len(change.sealed),
            replaced=len(change.replaced),
            published=len(change.published),
        )
        return outcome is ChangeOutcome.DONE

    @contextmanager
    def _noting_damage(self, segment_id: UUID) -> Iterator[None]:
        try:
            yield
        except (SegmentDamagedError, UnknownSegmentFormatError):
            self.damaged.add(segment_id)
            raise


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is left of a segment: its file, and how many of its first rows were copied."""

    file: SegmentFile
    copied_rows: int


def _seal(blocks: Sequence[tuple[UUID, Block]], known: EventColumns) -> tuple[Collection[UUID], Sequence[SegmentFile]]:
    """Make the segments of those blocks that can be read, and tell which those are."""
    decoded: dict[UUID, Columns] = {}
    failure: BlockError | None = None
    for block_id, block in blocks:
        try:
            decoded[block_id] = decode_columns(block, block_id)
        except BlockError as exc:
            failure = exc
            log.error("block_unreadable", block=str(block_id), reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message is the story
    if failure is not None and not decoded:
        raise failure
    table = table_of_blocks(list(decoded.values()), known)
    return list(decoded), [write_segment(sort(part)) for part in split_days(table)]


def _merge(tables: Sequence[pa.Table]) -> pa.Table | None:
    return sort(concatenate(tables)) if tables else None


def _write(table: pa.Table, *, splits_days: bool) -> list[SegmentFile]:
    days = split_days(table) if splits_days else (table,)
    return [write_segment(part) for day in days for part in split_rows(day, MOST_SEGMENT_ROWS)]


def _read_bucket(
    reader: SegmentReader, parts: Mapping[Range, bytes], groups: Sequence[int], bucket: HashBucket
) -> list[pa.Table]:
    tables = []
    for group in groups:
        # A group at a time: what is joined later needs no dictionaries in common before.
        table = reader.read({part: parts[part] for part in reader.ranges([group])}, [group])
        actors = integers(table, "actor_hash")
        start, end = np.searchsorted(actors, bucket.low, "left"), np.searchsorted(actors, bucket.high, "right")
        if end > start:
            tables.append(table.slice(start, end - start))
    return tables


def _keep_since(table: pa.Table, before: datetime, copied_rows: int) -> _Kept | None:
    """Rewrite the rows of a segment from a time on; None where there are none."""
    is_kept = integers(table, "timestamp") >= _microseconds(before)
    if not is_kept.any():
        return None
    file = write_segment(table.filter(pa.array(is_kept)))
    return _Kept(file, int(np.count_nonzero(is_kept[:copied_rows])))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


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
