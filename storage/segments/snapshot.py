"""Reading events: one short snapshot says which segments and blocks they are; files are read outside of it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyarrow as pa

from storage.blocks.codec import Block, decode_columns
from storage.postgres.database import Database
from storage.segments.catalogue import Segment, statement
from storage.segments.errors import SegmentMissingError
from storage.segments.files import SegmentReader
from storage.segments.parts import PartFetcher
from storage.segments.schema import EventColumns
from storage.segments.tables import sort, table_of_blocks

READ_TIMEOUT_S = 30.0
MOST_STARTS = 3
"""A reader whose segments were replaced and swept starts over: so often before it gives up."""


@dataclass(frozen=True, slots=True)
class SegmentSnapshot:
    """What the events were at one moment: the rows of all segments and blocks.

    Attributes:
        taken_at: the moment, by the database's clock.
        segments: oldest first.
        blocks: ids of the blocks.
        fresh: those blocks that the reader did not have.
        footers: footer and checksums of those segments that the reader did not have.
    """

    taken_at: datetime
    segments: Sequence[Segment]
    blocks: Collection[UUID]
    fresh: Mapping[UUID, Block]
    footers: Mapping[UUID, tuple[bytes, bytes]]


async def take_snapshot(
    database: Database, *, has_blocks: Collection[UUID] = (), has_segments: Collection[UUID] = ()
) -> SegmentSnapshot:
    """Look at the catalogue in one REPEATABLE READ transaction, which ends before anything is computed.

    Args:
        database: a migrated one.
        has_blocks: ids of those whose data need not be read again.
        has_segments: ids of those whose footers need not be read again.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with (
        database.acquire_reader(READ_TIMEOUT_S) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        taken_at = await connection.fetchval("SELECT now()")
        segments = [Segment(*record) for record in await connection.fetch(statement("list_segments"))]
        new = [segment.id for segment in segments if segment.id not in has_segments]
        footers = await connection.fetch(statement("read_footers"), new)
        blocks = {record["id"] for record in await connection.fetch(statement("list_blocks"))}
        fresh = await connection.fetch(statement("read_blocks"), list(blocks.difference(has_blocks)))
    return SegmentSnapshot(
        taken_at,
        segments,
        blocks,
        {record["id"]: Block(*tuple(record)[1:]) for record in fresh},
        {record["id"]: (record["footer"], record["sums"]) for record in footers},
    )


@dataclass(frozen=True, slots=True)
class EventScope:
    """Which events to read: parts that hold others alone are left out, and others may be read beside them.

    Attributes:
        start, end: times, half-open; None without a bound.
        low_actor, high_actor: pseudonyms, both included; None without a bound.
        columns: flat names; None for all.
    """

    start: datetime | None = None
    end: datetime | None = None
    low_actor: int | None = None
    high_actor: int | None = None
    columns: Sequence[str] | None = None

    def holds(self, segment: Segment) -> bool:
        """Tell whether a segment may have such events."""
        return (
            (self.end is None or segment.first_at < self.end)
            and (self.start is None or segment.last_at >= self.start)
            and (self.high_actor is None or segment.low_actor <= self.high_actor)
            and (self.low_actor is None or segment.high_actor >= self.low_actor)
        )


class EventReader:
    """Reads the events of one database, and remembers blocks and footers from one snapshot to the next.

    Args of the constructor:
        database: a migrated one.
        parts: fetches the bytes of segments.
        known: the columns of the event catalogue.
    """

    def __init__(self, database: Database, parts: PartFetcher, known: EventColumns) -> None:
        self._database = database
        self._parts = parts
        self._known = known
        self._blocks: dict[UUID, Block] = {}
        self._readers: dict[UUID, SegmentReader] = {}

    async def read(self, scope: EventScope | None = None) -> list[pa.Table]:
        """Read the events of one snapshot: each of them is in one table, once. Each table is sorted.

        Args:
            scope: which events are wanted; all where missing.

        Raises:
            SegmentDamagedError, BlockError: a part cannot be read; it is named, and never left out in silence.
            SegmentMissingError: segments were swept again and again before they could be read.
            StorageUnavailableError: the database or the place is away.
        """
        scope = scope or EventScope()
        for start in range(MOST_STARTS):
            snapshot = await self._look()
            try:
                return await self._read(snapshot, scope)
            except SegmentMissingError:
                if start == MOST_STARTS - 1:
                    raise
        raise AssertionError

    async def _look(self) -> SegmentSnapshot:
        snapshot = await take_snapshot(
            self._database, has_blocks=self._blocks.keys(), has_segments=self._readers.keys()
        )
        kept = {block_id: block for block_id, block in self._blocks.items() if block_id in snapshot.blocks}
        self._blocks = {**kept, **snapshot.fresh}
        readers = {segment.id: self._readers.get(segment.id) for segment in snapshot.segments}
        self._readers = {
            segment_id: reader or SegmentReader(*snapshot.footers[segment_id], segment_id)
            for segment_id, reader in readers.items()
        }
        return snapshot

    async def _read(self, snapshot: SegmentSnapshot, scope: EventScope) -> list[pa.Table]:
        blocks = {block_id: self._blocks[block_id] for block_id in snapshot.blocks}
        tables = []
        for segment in filter(scope.holds, snapshot.segments):
            reader = self._readers[segment.id]
            groups = reader.groups(scope.low_actor, scope.high_actor)
            if groups:
                parts = await self._parts.fetch(segment, reader.ranges(groups, scope.columns))
                tables.append(await asyncio.to_thread(reader.read, parts, groups, scope.columns))
        if blocks:
            tables.append(await asyncio.to_thread(_table_of, blocks, self._known))
        return tables


def _table_of(blocks: Mapping[UUID, Block], known: EventColumns) -> pa.Table:
    return sort(table_of_blocks([decode_columns(block, block_id) for block_id, block in blocks.items()], known))
