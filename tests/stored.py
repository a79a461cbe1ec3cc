"""All events of a database as tests see them, wherever they lie: in blocks or in segments."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from storage.blocks.codec import Block, decode_rows
from storage.postgres.database import Connection, Database
from storage.segments.parts import PartCache, PartFetcher
from storage.segments.places import PostgresPlace
from storage.segments.snapshot import EventReader
from storage.segments.tables import rows_of_table
from storage.write.batch import COLUMNS
from tests.event_tables import KNOWN

Row = tuple[Any, ...]
JSON_COLUMNS = ("device", "event_data")


async def stored_rows(database_url: str) -> list[dict[str, Any]]:
    """Read every stored event, by columns; the JSON texts are parsed. Sorted by time, sequence and id.

    Args:
        database_url: a migrated database.
    """
    database = await Database.open(database_url, readers=1)
    try:
        with TemporaryDirectory() as cache:
            parts = PartFetcher(PostgresPlace(database), PartCache(Path(cache), max_bytes=1 << 30))
            tables = await EventReader(database, parts, KNOWN).read()
    finally:
        await database.close()
    rows = [_by_column(row) for table in tables for row in rows_of_table(table, KNOWN)]
    return sorted(rows, key=lambda row: (row["timestamp"], row["sequence"], row["event_id"]))


async def rows_in_blocks(sql: Connection) -> list[Row]:
    """Read every event that is not sealed yet as it was written, in the order in which they were stored."""
    blocks = await sql.fetch(
        "SELECT format, rows, first_at, last_at, data FROM analytics_blocks ORDER BY stored_at, first_at"
    )
    return [row for block in blocks for row in decode_rows(Block(*block))]


async def events_in_blocks(sql: Connection) -> list[dict[str, Any]]:
    """Read the same by columns; the JSON texts are parsed."""
    return [_by_column(row) for row in await rows_in_blocks(sql)]


async def stored_values(database_url: str, column: str) -> list[Any]:
    """Read one column of every stored event, in the order of `stored_rows`."""
    return [row[column] for row in await stored_rows(database_url)]


def _by_column(row: Sequence[Any]) -> dict[str, Any]:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in JSON_COLUMNS:
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return values
