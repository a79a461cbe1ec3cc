"""Copying segments into `analytics_events`: chunk by chunk, each counted in the transaction that stores it.

A chunk counts the segment's copied rows up from the number that was read, on a live segment, or is rolled back. So
each event is there once, whatever is killed, and however many processes copy. Segments are merged like with like, and
those of which a part is copied are not merged before the rest is.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from storage.events_table.days import TableWindow, drop_days, list_days, prepare_days
from storage.events_table.pace import WritePace
from storage.events_table.statements import statement
from storage.postgres.database import Connection, Database
from storage.postgres.errors import name_error, translated
from storage.segments.catalogue import Segment
from storage.segments.errors import SegmentError, SegmentMissingError
from storage.segments.files import SegmentReader
from storage.segments.plans import plan_merge
from storage.segments.store import SegmentStore
from storage.segments.tables import rows_of_table
from storage.write.batch import COLUMNS, EVENT_ID, TIMESTAMP

log = structlog.get_logger(__name__)

READ_TIMEOUT_S = 10.0
CHUNK_ROWS = 4_000
"""Some 100 ms of Postgres's time and 4 MB of its log: what a killed copy loses, and writers wait beside at most."""
MERGE_WAIT = timedelta(minutes=5)
"""Segments that are merged next are left to the merge for so long: else it would lose them, and begin anew."""
REFUSALS = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, TypeError, ValueError, OverflowError)
"""What a single row can cause, by the driver's word or Postgres's: a number in JSON that jsonb does not take."""
Row = tuple[Any, ...]


@dataclass(slots=True)
class Copied:
    """What copying has done.

    Attributes:
        segments: how many were worked on.
        counted: rows that were counted as copied.
        stored: those of them that were stored; the others are older than the table, or were refused.
        refused: rows that Postgres does not take; the log names them.
        dropped_days: how many days were dropped.
        is_filled_anew: whether the table was emptied first, since it lacked days.
    """

    segments: int = 0
    counted: int = 0
    stored: int = 0
    refused: int = 0
    dropped_days: int = 0
    is_filled_anew: bool = False


class _OvertakenError(Exception):
    """Another process has changed the segment first."""


class EventsCopier:
    """Keeps `analytics_events`: copies, and drops days.

    Args of the constructor:
        database: a migrated one.
        segments: of the database.
    """

    def __init__(self, database: Database, segments: SegmentStore) -> None:
        self._database = database
        self._segments = segments

    async def is_due(self, window: TableWindow | None) -> bool:
        """Tell whether a run has something to do.

        Raises:
            StorageUnavailableError: the database is away.
        """
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            if await connection.fetch(statement("list_waiting")):
                return True
            days = [day.day for day in await list_days(connection)]
        if window is None:
            return bool(days)
        return not days or days[0] < window.first_kept or days[-1] < window.last_made

    async def run(self, window: TableWindow | None, *, within_s: float) -> Copied:
        """Copy until there is nothing left or the time is over, and drop the days before the window.

        Rows before the window are counted and not stored. A segment that cannot be read is left out.

        Args:
            window: the days that the table should hold; None for no table: all days are dropped then, and no segment
                waits any more.
            within_s: after how long to stop; the next call goes on from there.

        Raises:
            SegmentError: a segment cannot be read; it is named, and all others are copied.
            LeaseTakenError: the table has to be filled anew, and somebody is reading it.
            StorageUnavailableError: the database or the place is away.
        """
        connection = await self._database.connect_writer()
        try:
            with translated():
                if window is None:
                    await connection.fetchval(statement("want_none"))
                    return Copied(dropped_days=await drop_days(connection, None))
                return await self._copy(connection, window, within_s)
        finally:
            connection.terminate()

    async def _copy(self, connection: Connection, window: TableWindow, within_s: float) -> Copied:
        copied = Copied()
        until_s = time.monotonic() + within_s
        unreadable: dict[UUID, SegmentError] = {}
        copied.is_filled_anew = await prepare_days(connection, window)
        copy = _ChunkCopy(connection, self._segments, window, copied, until_s)
        while time.monotonic() < until_s and (segment := await self._next(connection, unreadable)) is not None:
            copied.segments += 1
            try:
                await copy.run(segment)
            except SegmentMissingError:
                continue  # replaced and swept meanwhile
            except SegmentError as exc:
                unreadable[segment.id] = exc
        copied.dropped_days = await drop_days(connection, window.first_kept)
        for error in unreadable.values():
            raise error
        return copied

    async def _next(self, connection: Connection, unreadable: dict[UUID, SegmentError]) -> Segment | None:
        """Choose the segment to copy next; None where there is none."""
        waiting = await connection.fetch(statement("list_waiting"))
        if not waiting:
            return None
        segments = {segment.id: segment for segment in await self._segments.catalogue.list_segments()}
        merge = plan_merge(list(segments.values()))
        left = {segment.id for segment in merge.segments} if merge is not None else set()
        merged_by = datetime.now(UTC) - MERGE_WAIT
        for segment_id, changed_at in waiting:
            if segment_id in left and changed_at > merged_by:
                continue
            if segment_id in segments and segment_id not in unreadable and not segments[segment_id].is_copied:
                return segments[segment_id]
        return None


class _ChunkCopy:
    """Copies segments over one connection."""

    def __init__(
        self, connection: Connection, segments: SegmentStore, window: TableWindow, copied: Copied, until_s: float
    ) -> None:
        self._connection = connection
        self._segments = segments
        self._window = window
        self._copied = copied
        self._until_s = until_s
        self._pace = WritePace(connection)
        self._position = 0

    async def run(self, segment: Segment) -> None:
        """Copy what is left of a segment, until the time is over or another process changes it."""
        self._position = segment.copied_rows
        try:
            if segment.last_at < self._window.start:
                await self._transact(segment, segment.rows - segment.copied_rows, [])
            else:
                await self._copy(segment)
        except _OvertakenError:
            log.info("copy_lost", segment=str(segment.id))

    async def _copy(self, segment: Segment) -> None:
        footers = await self._segments.catalogue.read_footers([segment.id])
        reader = SegmentReader(*footers[segment.id], segment.id)
        end = 0
        for group, rows in enumerate(group.rows for group in reader.row_groups):
            start, end = end, end + rows
            if end <= self._position:
                continue
            parts = await self._segments.parts.fetch(segment, reader.ranges([group]))
            table = await asyncio.to_thread(reader.read, parts, [group])
            while self._position < end:
                if time.monotonic() > self._until_s:
                    return
                started_s = time.monotonic()
                await self._store(segment, table.slice(self._position - start, CHUNK_ROWS))
                await self._pace.rest(time.monotonic() - started_s)

    async def _store(self, segment: Segment, chunk: pa.Table) -> None:
        """Store a chunk; where Postgres refuses a row, its halves, down to that row, which is left out."""
        rows = await asyncio.to_thread(self._rows_of, chunk)
        try:
            await self._store_rows(segment, len(chunk), rows)
        except REFUSALS as exc:
            if len(chunk) > 1:
                half = len(chunk) // 2
                await self._store(segment, chunk.slice(0, half))
                await self._store(segment, chunk.slice(half))
                return
            log.warning("event_not_copied", event_id=rows[0][EVENT_ID], error=name_error(exc))
            await self._transact(segment, 1, [])
            self._copied.refused += 1

    async def _store_rows(self, segment: Segment, count: int, rows: Sequence[Row]) -> None:
        try:
            await self._transact(segment, count, rows)
        except asyncpg.CheckViolationError:
            # A day has no partition: it is later than expected, or was dropped by hand.
            await prepare_days(self._connection, self._window, {row[TIMESTAMP].date() for row in rows})
            await self._transact(segment, count, rows)

    def _rows_of(self, chunk: pa.Table) -> list[Row]:
        """Make rows of those events that the table should have."""
        at = chunk["timestamp"]
        is_wanted = pc.and_(
            pc.greater_equal(at, pa.scalar(self._window.start, at.type)),
            pc.less(at, pa.scalar(self._window.end, at.type)),
        )
        return rows_of_table(chunk.filter(is_wanted), self._segments.known)

    async def _transact(self, segment: Segment, count: int, rows: Sequence[Row]) -> None:
        position = self._position + count
        async with self._connection.transaction():
            # What a crash of the server takes, it takes together with its count: nobody need wait for the disk.
            await self._connection.execute("SET LOCAL synchronous_commit = off")
            if rows:
                await self._connection.copy_records_to_table("analytics_events", records=rows, columns=COLUMNS)
            # Last: whoever merges or ages the segment is kept from it for a moment only.
            counted = await self._connection.fetchval(statement("count_copied"), segment.id, self._position, position)
            if counted is None:
                raise _OvertakenError
        self._position = position
        self._copied.counted += count
        self._copied.stored += len(rows)
