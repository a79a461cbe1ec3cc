"""Places: where the bytes of segments lie. One small port; `postgres:` is the place that every installation has."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import asyncpg

from storage.postgres.database import Connection, Database, PooledConnection
from storage.postgres.errors import translated
from storage.postgres.statements import statements_of
from storage.segments.errors import SegmentError, SegmentMissingError
from storage.segments.files import Range

PART_BYTES = 1 << 20
"""A value of this size is written and read in one message, and a range of one touches few of its pages."""
MONTHS = "analytics_segment_parts_top_"
"""How the names of the tables of months begin."""
LOCK_WAIT = "50ms"
"""Nobody uses an empty table; should somebody all the same, others must not queue behind the drop."""
TOP_LEVEL = 2
"""Segments of this level are rewritten no more until they age."""
READ_TIMEOUT_S = 30.0

statement = statements_of("storage.segments")


class SegmentPlace(Protocol):
    """Where bytes lie under a key. Bytes under a key never change.

    Every method raises StorageUnavailableError where the place is away.
    """

    name: str
    """What the catalogue calls it, for example "postgres"."""

    def key_of(self, segment_id: UUID, level: int, first_at: datetime) -> str:
        """Choose the key of a new segment; it begins with the place's name and a colon."""

    async def put(self, key: str, data: bytes) -> None:
        """Store bytes. Storing the same again changes nothing."""

    async def get(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        """Read ranges, each whole or, past the end of the bytes, as far as there are any.

        Raises:
            SegmentMissingError: there is nothing under this key.
        """

    async def delete(self, key: str) -> None:
        """Remove bytes, if they are there."""

    async def tidy(self) -> int:
        """Give back what only removed bytes took up; return how many such things, tables or folders, there were."""


class PostgresPlace:
    """Bytes in tables of the database: `postgres:<table>/<segment id>`.

    Args of the constructor:
        database: a migrated one.
    """

    name = "postgres"

    def __init__(self, database: Database) -> None:
        self._database = database

    def key_of(self, segment_id: UUID, level: int, first_at: datetime) -> str:
        """Choose the key of a new segment."""
        table = f"top_{first_at:%Y%m}" if level >= TOP_LEVEL else str(level)
        return f"{self.name}:{table}/{segment_id}"

    async def put(self, key: str, data: bytes) -> None:
        """Store bytes. Storing the same again changes nothing."""
        table, segment_id = _parse(key)
        with translated():
            connection = await self._database.connect_writer()
            try:
                if not table.startswith(MONTHS):
                    await _put(connection, table, segment_id, data)
                    return
                await _make_table(connection, table)
                try:
                    await _put(connection, table, segment_id, data)
                except asyncpg.UndefinedTableError:  # `tidy` of another server found it empty; now it is announced
                    await _make_table(connection, table)
                    await _put(connection, table, segment_id, data)
            finally:
                connection.terminate()

    async def get(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        """Read ranges, in one statement."""
        table, segment_id = _parse(key)
        pieces = [
            (number, part, max(0, found.offset - part * PART_BYTES), _end_in(part, found) - part * PART_BYTES)
            for number, found in enumerate(ranges)
            for part in range(found.offset // PART_BYTES, (found.offset + found.length - 1) // PART_BYTES + 1)
        ]
        async with self._database.acquire_reader(READ_TIMEOUT_S) as connection:
            try:
                records = await connection.fetch(
                    statement("get_ranges").format(table=table),
                    segment_id,
                    [number for number, *_ in pieces],
                    [part for _, part, *_ in pieces],
                    [start + 1 for *_, start, _ in pieces],
                    [end - start for *_, start, end in pieces],
                )
                if not records and not await _holds(connection, table, segment_id):
                    raise SegmentMissingError(f"the bytes of segment {segment_id} are not at {key}")
            except asyncpg.UndefinedTableError as exc:
                raise SegmentMissingError(f"the bytes of segment {segment_id} are not at {key}") from exc
        read = [bytearray() for _ in ranges]
        for record in records:
            read[record["number"]] += record["data"]
        return [bytes(data) for data in read]

    async def delete(self, key: str) -> None:
        """Remove bytes, if they are there."""
        table, segment_id = _parse(key)
        with translated():
            connection = await self._database.connect_writer()
            try:
                await connection.execute(statement("delete_parts").format(table=table), segment_id)
            except asyncpg.UndefinedTableError:
                return
            finally:
                connection.terminate()

    async def tidy(self) -> int:
        """Drop the tables of months that nothing lies in any more; return how many."""
        with translated():
            connection = await self._database.connect_writer()
            try:
                found = [record["name"] for record in await connection.fetch(statement("empty_months"))]
                return sum([await _drop_table(connection, table) for table in found])
            finally:
                connection.terminate()


def _end_in(part: int, found: Range) -> int:
    return min(found.offset + found.length, (part + 1) * PART_BYTES)


async def _make_table(connection: Connection, table: str) -> None:
    """Make the table of a month; two servers may do so at once."""
    try:
        await connection.execute(statement("make_parts").format(table=table))
    except (asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # which of them depends on how far the other server is: each table has a row type of its name


async def _put(connection: Connection, table: str, segment_id: UUID, data: bytes) -> None:
    async with connection.transaction():
        for part, start in enumerate(range(0, len(data), PART_BYTES)):
            await connection.execute(
                statement("put_part").format(table=table), segment_id, part, data[start : start + PART_BYTES]
            )


async def _drop_table(connection: Connection, table: str) -> bool:
    """Drop the table of a month if it is empty and nobody uses it; the next sweep tries again."""
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
                return False
            await connection.execute(f"DROP TABLE {table}")
    except (asyncpg.LockNotAvailableError, asyncpg.UndefinedTableError):
        return False
    return True


async def _holds(connection: PooledConnection, table: str, segment_id: UUID) -> bool:
    return bool(await connection.fetchval(statement("holds_parts").format(table=table), segment_id))


_KEY = re.compile(r"postgres:(0|1|top_[0-9]{4,6})/([0-9a-f-]{36})")


def _parse(key: str) -> tuple[str, UUID]:
    """Read a key into the name of a table, which nothing else can name, and a segment's id."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise SegmentError(f"a segment lies at {key!r}, which is no place that this program knows")
    return f"analytics_segment_parts_{match[1]}", UUID(match[2])
