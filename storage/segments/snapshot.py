"""Reading events: one short snapshot says which segments and blocks they are; files are read outside of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import TypeVar
from uuid import UUID

import pyarrow as pa
from asyncpg import Record

from storage.blocks.codec import Block
from storage.postgres.database import Database, PooledConnection
from storage.postgres.errors import StorageTimeoutError
from storage.segments.block_memory import BLOCK, BlockMemory, BlockTable
from storage.segments.catalogue import Segment, statement
from storage.segments.errors import SegmentMissingError
from storage.segments.files import SegmentReader
from storage.segments.parts import PartFetcher
from storage.segments.schema import EventColumns
from storage.segments.scopes import SORTED_BY, SORTS_SEGMENTS, EventScope, SegmentScan, actor_ranges, at_once
from storage.segments.tables import join_sorted

READ_TIMEOUT_S = 30.0
MOST_STARTS = 3
"""A report whose segments were replaced and swept starts over: so often before it gives up."""
MOST_KEPT_ROWS = 3_000_000
"""Row groups that hold actors of several ranges are decoded once where so many rows are not too many to keep, some
100 MB of the columns of a report; else once for each range."""
_BOUNDED_BY = ("actor_hash", "timestamp")

Also = Callable[[PooledConnection], Awaitable[None]]
"""Reads something else in the transaction of a snapshot."""
AnswerT = TypeVar("AnswerT")


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
    database: Database,
    *,
    has_blocks: Collection[UUID] = (),
    has_segments: Collection[UUID] = (),
    also: Also | None = None,
    timeout_s: float = READ_TIMEOUT_S,
) -> SegmentSnapshot:
    """Look at the catalogue in one REPEATABLE READ transaction, which ends before anything is computed.

    Args:
        database: a migrated one.
        has_blocks: ids of those whose data need not be read again.
        has_segments: ids of those whose footers need not be read again.
        also: reads what must agree with the events.
        timeout_s: how long the transaction may take.

    Raises:
        StorageUnavailableError: the database is away.
    """
    footers: list[Record] = []
    fresh: list[Record] = []
    async with (
        database.acquire_reader(timeout_s) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        taken_at = await connection.fetchval("SELECT now()")
        segments = [Segment(*record) for record in await connection.fetch(statement("list_segments"))]
        if new := [segment.id for segment in segments if segment.id not in has_segments]:
            footers = await connection.fetch(statement("read_footers"), new)
        blocks = {record["id"] for record in await connection.fetch(statement("list_blocks"))}
        if unknown := blocks.difference(has_blocks):
            fresh = await connection.fetch(statement("read_blocks"), list(unknown))
        if also is not None:
            await also(connection)
    return SegmentSnapshot(
        taken_at,
        segments,
        blocks,
        {record["id"]: Block(*tuple(record)[1:]) for record in fresh},
        {record["id"]: (record["footer"], record["sums"]) for record in footers},
    )


class EventSnapshot:
    """The events of one moment.

    Whatever is read is computed in threads. Errors name the segment that cannot be read; it is never left out.

    Attributes:
        taken_at: the moment, by the database's clock.
        segments: oldest first.
        blocks: ids of the blocks.
        known: the columns of the event catalogue.
    """

    def __init__(
        self,
        taken: SegmentSnapshot,
        parts: PartFetcher,
        readers: Mapping[UUID, SegmentReader],
        block_tables: Sequence[BlockTable],
        known: EventColumns,
    ) -> None:
        """Read files through `parts`, by the footers of `readers`."""
        self.taken_at = taken.taken_at
        self.segments = taken.segments
        self.blocks = taken.blocks
        self.known = known
        self._parts = parts
        self._readers = readers
        self.block_tables = block_tables
        self.known = known

    async def tables(self, scope: EventScope) -> list[pa.Table]:
        """Read the events of a scope, each of them once; each table is sorted.

        Raises:
            SegmentDamagedError: a part cannot be read.
            SegmentMissingError: a segment was swept before it could be read.
            StorageUnavailableError: the place is away.
        """
        tables = await self._read(self._scans(scope, _BOUNDED_BY), scope)
        return [scope.select(table) for table in tables]

    async def by_actor(self, scope: EventScope) -> AsyncIterator[pa.Table]:
        """Read the events of a scope in tables that hold all events of their actors, sorted, lowest actors first.

        A table has half a million to a million rows, or as many as its most active actor.

        Raises:
            SegmentDamagedError, SegmentMissingError, StorageUnavailableError: as `tables`.
        """
        scans = self._scans(scope, SORTS_SEGMENTS)
        keeps = sum(scan.most_group_rows for scan in scans) <= MOST_KEPT_ROWS
        rows = sum(scan.rows(scope) for scan in scans)
        rows += sum(len(table.table) for table in self.block_tables if scope.overlaps(table.first_at, table.last_at))
        for part in actor_ranges(scope, rows):
            tables = await self._read(scans, part, keeps=keeps)
            if tables:
                yield await asyncio.to_thread(join_sorted, tables, scope.select)

    async def table_of_segment(self, segment: Segment, columns: Sequence[str] | None = None) -> pa.Table:
        """Read all events of one of the segments, sorted; of its columns those that are named, or all.

        Raises:
            SegmentDamagedError, SegmentMissingError, StorageUnavailableError: as `tables`.
        """
        return await self.scan(segment, columns).read_whole()

    async def table_of_blocks(self, ids: Collection[UUID], columns: Sequence[str] | None = None) -> pa.Table | None:
        """Read all events of some of the blocks, sorted; None where there are none."""
        return await asyncio.to_thread(_only_blocks, self.block_tables, frozenset(ids), columns)

    def scan(self, segment: Segment, columns: Sequence[str] | None = None) -> SegmentScan:
        """Make what reads parts of one of the segments."""
        return SegmentScan(segment, self._readers[segment.id], self._parts, columns)

    def _scans(self, scope: EventScope, also: Sequence[str]) -> list[SegmentScan]:
        columns = None if scope.columns is None else tuple({*scope.columns, *also})
        return [self.scan(segment, columns) for segment in self.segments if scope.holds(segment)]

    async def _read(self, scans: Sequence[SegmentScan], scope: EventScope, *, keeps: bool = False) -> list[pa.Table]:
        read = await at_once(partial(scan.read, scope, keeps=keeps) for scan in scans)
        return list(chain.from_iterable(read)) + await asyncio.to_thread(
            _of_blocks, self.block_tables, scope, SORTED_BY
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
        self.memory = BlockMemory(known)
        self._readers: Mapping[UUID, SegmentReader] = {}
        self.known = known

    @asynccontextmanager
    async def snapshot(self, timeout_s: float, *, also: Also | None = None) -> AsyncIterator[EventSnapshot]:
        """Open a snapshot for a report that must be done within `timeout_s` seconds.

        No connection is held while the report goes on.

        Args:
            timeout_s: until then, the body is cancelled.
            also: reads something else in the snapshot's transaction.

        Raises:
            StorageTimeoutError: the time was over.
            StorageUnavailableError: the database is away.
            SegmentError, BlockError: a part cannot be read; it is named.
        """
        try:
            async with asyncio.timeout(timeout_s):
                yield await self._look(timeout_s, also)
        except TimeoutError as exc:
            raise StorageTimeoutError(
                "the report took longer than the time it was given; ask for a shorter range"
            ) from exc

    async def ask(
        self,
        report: Callable[[EventSnapshot], Awaitable[AnswerT]],
        timeout_s: float = READ_TIMEOUT_S,
        *,
        also: Also | None = None,
    ) -> AnswerT:
        """Run a report on a snapshot; where segments are swept before they could be read, start over.

        Args:
            report: may be run several times.
            timeout_s: for all of it.
            also: as for `snapshot`.

        Raises:
            SegmentMissingError: that happened again and again.
            StorageError: as `snapshot`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        for start in range(MOST_STARTS):
            async with self.snapshot(deadline - loop.time(), also=also) as snapshot:
                try:
                    return await report(snapshot)
                except SegmentMissingError:
                    if start == MOST_STARTS - 1:
                        raise
        raise AssertionError

    async def read(self, scope: EventScope | None = None) -> list[pa.Table]:
        """Read the events of a scope, or all, as `EventSnapshot.tables` does."""
        return await self.ask(lambda snapshot: snapshot.tables(scope or EventScope()))

    async def _look(self, timeout_s: float, also: Also | None) -> EventSnapshot:
        held, readers = self.memory.tables, self._readers
        taken = await take_snapshot(
            self._database,
            has_blocks={block_id for table in held for block_id in table.ids},
            has_segments=readers.keys(),
            also=also,
            timeout_s=timeout_s,
        )
        tables = await self.memory.tables_of(taken.blocks, held, taken.fresh)
        if taken.footers or len(readers) != len(taken.segments):
            readers = await asyncio.to_thread(_open, taken, readers)
            self._readers = readers
        return EventSnapshot(taken, self._parts, readers, tables, self.known)


async def may_have_events(connection: PooledConnection, start: datetime, end: datetime) -> bool:
    """Tell whether there may be events in [start, end): in a segment that counts, or in a block."""
    found: bool = await connection.fetchval(statement("may_have_events"), start, end)
    return found


def _open(taken: SegmentSnapshot, known: Mapping[UUID, SegmentReader]) -> dict[UUID, SegmentReader]:
    return {
        segment.id: known.get(segment.id) or SegmentReader(*taken.footers[segment.id], segment.id)
        for segment in taken.segments
    }


def _of_blocks(tables: Sequence[BlockTable], scope: EventScope, also: Sequence[str]) -> list[pa.Table]:
    chosen = [table.table for table in tables if scope.overlaps(table.first_at, table.last_at)]
    cut = [scope.cut(scope.select(table.drop_columns(BLOCK), *also)) for table in chosen]
    return [table for table in cut if len(table)]


def _only_blocks(tables: Sequence[BlockTable], ids: Collection[UUID], columns: Sequence[str] | None) -> pa.Table | None:
    scope = EventScope(columns=columns)
    parts = [part for table in tables if (part := table.only(ids)) is not None]
    chosen = [scope.select(part.table.drop_columns(BLOCK), *SORTED_BY) for part in parts]
    return join_sorted(chosen, scope.select) if chosen else None
