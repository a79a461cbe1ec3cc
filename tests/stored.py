"""All events of a database as tests see them, wherever they lie: in blocks or in segments.

Reads tables and files by itself, in one snapshot, so that it judges what reports read.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson

from storage.blocks.codec import Block, decode_rows
from storage.postgres.database import Connection
from storage.segments.files import SegmentReader
from storage.segments.tables import rows_of_table
from storage.write.batch import COLUMNS, EVENT_ID
from tests.event_tables import KNOWN

Row = tuple[Any, ...]
JSON_COLUMNS = ("device", "event_data")


async def stored_rows(database_url: str) -> list[dict[str, Any]]:
    """Read every stored event, by columns; the JSON texts are parsed. Sorted by time, sequence and id.

    Args:
        database_url: a migrated database, or one whose Postgres is embedded.
    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = [*await events_in_blocks(connection), *map(_by_column, await rows_in_segments(connection))]
    finally:
        await connection.close()
    return sorted(rows, key=lambda row: (row["timestamp"], row["sequence"], row["event_id"]))


async def stored_ids(database_url: str) -> list[str]:
    """Read the id of every stored event; one that is stored twice is there twice. Sorted."""
    return sorted(row[COLUMNS[EVENT_ID]] for row in await stored_rows(database_url))


async def rows_in_blocks(sql: Connection) -> list[Row]:
    """Read every event that is not sealed yet as it was written, in the order in which they were stored."""
    blocks = await sql.fetch(
        "SELECT format, rows, first_at, last_at, data FROM analytics_blocks ORDER BY stored_at, first_at"
    )
    return [row for block in blocks for row in decode_rows(Block(*block))]


async def events_in_blocks(sql: Connection) -> list[dict[str, Any]]:
    """Read the same by columns; the JSON texts are parsed."""
    return [_by_column(row) for row in await rows_in_blocks(sql)]


async def rows_in_segments(sql: Connection) -> list[Row]:
    """Read every event of the segments that count; the bytes of segments lie in this database."""
    segments = await sql.fetch("SELECT id, place, footer, sums FROM analytics_segments WHERE state = 'live'")
    return [row for segment in segments for row in await _rows_of(sql, segment)]


async def _rows_of(sql: Connection, segment: asyncpg.Record) -> list[Row]:
    table = segment["place"].removeprefix("postgres:").partition("/")[0]
    parts = await sql.fetch(
        f"SELECT data FROM analytics_segment_parts_{table} WHERE segment_id = $1 ORDER BY part", segment["id"]
    )
    data = b"".join(part["data"] for part in parts)
    reader = SegmentReader(segment["footer"], segment["sums"], segment["id"])
    ranges = {found: data[found.offset : found.offset + found.length] for found in reader.ranges()}
    return rows_of_table(reader.read(ranges), KNOWN)


def _by_column(row: Sequence[Any]) -> dict[str, Any]:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in JSON_COLUMNS:
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return values
