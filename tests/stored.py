"""All events of a database as tests see them, wherever they lie: in blocks or in segments."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from storage.postgres.database import Database
from storage.segments.parts import PartCache, PartFetcher
from storage.segments.places import PostgresPlace
from storage.segments.snapshot import EventReader
from storage.segments.tables import rows_of_table
from storage.write.batch import COLUMNS
from tests.event_tables import KNOWN

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


async def stored_values(database_url: str, column: str) -> list[Any]:
    """Read one column of every stored event, in the order of `stored_rows`."""
    return [row[column] for row in await stored_rows(database_url)]


def _by_column(row: Sequence[Any]) -> dict[str, Any]:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in JSON_COLUMNS:
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return values
