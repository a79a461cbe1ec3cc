"""The catalogue: which blocks and segments are the events, and the one way in which that changes.

A change deletes or flips its inputs and publishes its outputs in one transaction, and must hit exactly as many rows as
it read; else it is rolled back. So two servers that do the same work at once stay exact, and a lease only saves work.

A segment's state: `writing` while its bytes are under way, `live` while it counts, `replaced` when others hold its
events or nobody wants them any more, `abandoned` when its writer has given up or died. Ids are random and used once.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID, uuid4

from storage.blocks.codec import Block
from storage.postgres.database import Connection, Database
from storage.postgres.errors import translated
from storage.postgres.statements import statements_of
from storage.segments.errors import SegmentMissingError
from storage.segments.files import FORMAT, SegmentFile
from storage.segments.places import SegmentPlace

statement = statements_of("storage.segments")

LONGEST_WRITE = timedelta(hours=1)
"""No segment is under way for longer: its row is marked as abandoned then, and its writer fails where it goes on."""
REPLACED_STAY = timedelta(minutes=2)
"""Twice the longest deadline of a report: one that has begun finds the bytes that it has seen in the catalogue."""
READ_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that counts.

    Attributes:
        id: a random UUID, never used again.
        level: 0 where it was sealed from blocks, 1 where it was merged, 2 where it is rewritten no more.
        format: of its file.
        place: the key of its bytes.
        first_at, last_at: the times of its earliest and latest event.
        low_actor, high_actor: its least and greatest actor_hash.
        rows: its events.
        size_bytes: of its file.
        checksum: of its file; the name by which caches know it.
        is_summarised: whether the summaries have its events.
        copied_rows: how many of its first events the table `analytics_events` has, or does not want.
    """

    id: UUID
    level: int
    format: int
    place: str
    first_at: datetime
    last_at: datetime
    low_actor: int
    high_actor: int
    rows: int
    size_bytes: int
    checksum: bytes
    is_summarised: bool
    copied_rows: int

    @property
    def is_copied(self) -> bool:
        """Whether the table `analytics_events` has all of its events that it wants."""
        return self.copied_rows == self.rows


@dataclass(frozen=True, slots=True)
class WaitingBlock:
    """A block that is not sealed yet, without its data.

    Attributes:
        id: a random UUID, never used again.
        rows: its events.
        first_at, last_at: the times of its earliest and latest event.
        stored_at: when it was stored.
    """

    id: UUID
    rows: int
    first_at: datetime
    last_at: datetime
    stored_at: datetime


Also = Callable[[Connection], Awaitable[bool]]
"""What else a transaction does; it returns False where another process was first, and then nothing is changed."""


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """What one transaction changes.

    Attributes:
        sealed: ids of the blocks that it deletes.
        replaced: the segments that count no more, as they were read.
        published: ids of the written segments that count from then on.
        also: what else the transaction does.
    """

    sealed: Collection[UUID] = ()
    replaced: Collection[Segment] = ()
    published: Collection[UUID] = ()
    also: Also | None = None


class ChangeOutcome(Enum):
    """What became of a change."""

    DONE = "done"
    LOST = "lost"
    """Another process has changed an input first; what was written is given up."""
    ALSO_LOST = "also lost"
    """Another process has changed first what `also` changes: the same change may be tried with a new one."""


class _LostRaceError(Exception):
    """Another process has changed an input first."""


class _AlsoLostError(Exception):
    """Another process was first at what else was to be done."""


class SegmentCatalogue:
    """Changes and sweeps the catalogue.

    Every method raises StorageUnavailableError where the database or the place is away; all may be called again.

    Args of the constructor:
        database: a migrated one.
        place: where the bytes of segments lie.
    """

    def __init__(self, database: Database, place: SegmentPlace) -> None:
        self._database = database
        self._place = place

    async def list_segments(self) -> list[Segment]:
        """List the segments that count, oldest first."""
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            return [Segment(*record) for record in await connection.fetch(statement("list_segments"))]

    async def list_blocks(self) -> list[WaitingBlock]:
        """List the blocks that are not sealed yet, oldest first."""
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            return [WaitingBlock(*record) for record in await connection.fetch(statement("list_blocks"))]

    async def read_blocks(self, ids: Sequence[UUID]) -> list[tuple[UUID, Block]]:
        """Read blocks; those that are sealed by now are missing."""
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            records = await connection.fetch(statement("read_blocks"), ids)
        return [(record["id"], Block(*tuple(record)[1:])) for record in records]

    async def write(self, file: SegmentFile, level: int, *, is_summarised: bool = False, copied_rows: int = 0) -> UUID:
        """Announce a segment and write its bytes; it does not count before it is published.

        Args:
            file: what to write.
            level: as in `Segment`.
            is_summarised: whether the summaries have its events, or will when it is published.
            copied_rows: as in `Segment`.
        """
        segment_id = uuid4()
        key = self._place.key_of(segment_id, level, file.first_at)
        await self._execute(
            "insert_segment",
            *(segment_id, level, FORMAT, key, file.first_at, file.last_at, file.low_actor, file.high_actor),
            *(file.rows, len(file.data), file.checksum, file.sums, file.footer),
            *(is_summarised, copied_rows),
        )
        await self._place.put(key, file.data)
        return segment_id

    async def change(self, change: SegmentChange) -> ChangeOutcome:
        """Swap inputs for outputs, all of them or none.

        Where the answer is lost nobody needs to know it: what was not published is marked as abandoned in time.
        """
        connection = await self._database.connect_writer()
        try:
            with translated():
                async with connection.transaction():
                    await _publish(connection, change)
                    await _do_also(connection, change)
        except _LostRaceError:
            await self.abandon(change.published)
            return ChangeOutcome.LOST
        except _AlsoLostError:
            return ChangeOutcome.ALSO_LOST
        finally:
            connection.terminate()
        return ChangeOutcome.DONE

    async def abandon(self, ids: Collection[UUID]) -> None:
        """Give up segments that are under way."""
        await self._execute("give_up_segments", list(ids))

    async def sweep(self, *, longest_write: timedelta = LONGEST_WRITE, replaced_stay: timedelta = REPLACED_STAY) -> int:
        """Remove the bytes that nobody needs any more, and forget their segments; return how many.

        Only bytes that the catalogue names are removed, never those that it lacks: a catalogue that was restored from
        a backup would delete newer data.

        Args:
            longest_write: how long a segment may be under way.
            replaced_stay: how long readers may need what was replaced.
        """
        await self._execute("abandon_segments", longest_write)
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            found = await connection.fetch(statement("list_swept"), replaced_stay)
        for record in found:
            await self._place.delete(record["place"])
            await self._execute("delete_segment", record["id"])
        await self._place.tidy()
        return len(found)

    async def read_footers(self, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, bytes]]:
        """Read the footers of segments and the checksums of their columns.

        Raises:
            SegmentMissingError: one of them was swept.
        """
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            records = await connection.fetch(statement("read_footers"), list(ids))
        found = {record["id"]: (record["footer"], record["sums"]) for record in records}
        if missing := set(ids) - found.keys():
            raise SegmentMissingError(f"segment {missing.pop()} was swept")
        return found

    async def _execute(self, name: str, *arguments: object) -> None:
        connection = await self._database.connect_writer()
        try:
            with translated():
                await connection.execute(statement(name), *arguments)
        finally:
            connection.terminate()


async def _publish(connection: Connection, change: SegmentChange) -> None:
    """Swap inputs for outputs. These have been stored for as long as the oldest of those."""
    replaced = [segment.id for segment in change.replaced]
    copied = [segment.copied_rows for segment in change.replaced]
    stored_at = [
        await _count(connection, "delete_blocks", change.sealed),
        await _count(connection, "replace_segments", replaced, copied),
    ]
    oldest = min((moment for moment in stored_at if moment is not None), default=None)
    await _count(connection, "publish_segments", change.published, oldest)


async def _count(connection: Connection, name: str, ids: Collection[UUID], *others: object) -> datetime | None:
    """Change as many rows as there are ids, and return when the oldest of them was stored."""
    if not ids:
        return None
    record = await connection.fetchrow(statement(name), list(ids), *others)
    assert record is not None  # noqa: S101 - aggregates answer one row
    if record["count"] != len(ids):
        raise _LostRaceError
    oldest: datetime | None = record["stored_at"]
    return oldest


async def _do_also(connection: Connection, change: SegmentChange) -> None:
    if change.also is not None and not await change.also(connection):
        raise _AlsoLostError
