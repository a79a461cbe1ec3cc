"""The two stores that a report's statement is asked in: Postgres through our schema, and DuckDB beside it.

Both take the same text with the same numbered parameters. DuckDB lacks three names that Postgres has; they are given
to it here and nowhere else.
"""

import csv
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from storage.batch import COLUMNS
from storage.database import Database
from tests.rows import make_batch, make_store

EXACT = "DECIMAL(38, 9)"
"""What stands for Postgres's numeric: DuckDB's own default keeps three decimals."""

_TYPES = {
    "event_id": "UUID",
    "timestamp": "TIMESTAMPTZ",
    "received_at": "TIMESTAMPTZ",
    "sequence": "BIGINT",
    "device": "JSON",
    "event_data": "JSON",
}
_MACROS = """
CREATE MACRO jsonb_typeof(value) AS CASE
    WHEN json_type(value) IS NULL THEN NULL
    WHEN json_type(value) = 'VARCHAR' THEN 'string'
    WHEN json_type(value) = 'OBJECT' THEN 'object'
    WHEN json_type(value) = 'ARRAY' THEN 'array'
    WHEN json_type(value) = 'BOOLEAN' THEN 'boolean'
    WHEN json_type(value) = 'NULL' THEN 'null'
    ELSE 'number'
END;
CREATE MACRO jsonb_exists(value, item) AS json_contains(value, to_json(item));
"""


async def load_postgres(database: Database, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store rows as the service does, partitions included."""
    store = make_store(database)
    await store.store(make_batch(rows))
    await store.close()


def open_duckdb() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory that understands what our statements share with Postgres, in UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(_MACROS)
    return connection


def load_duckdb(connection: duckdb.DuckDBPyConnection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Make analytics_events of these rows."""
    columns = ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in COLUMNS)
    connection.execute(f"CREATE TABLE analytics_events ({columns})")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.csv")
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([r"\N" if value is None else value for value in row] for row in rows)
        connection.execute(f"COPY analytics_events FROM '{path}' (HEADER false, NULLSTR '\\N')")


def ask_duckdb(connection: duckdb.DuckDBPyConnection, text: str, parameters: Sequence[object]) -> list[dict[str, Any]]:
    """Ask for the rows of a statement, by column name."""
    cursor = connection.execute(text.replace("::numeric", f"::{EXACT}"), list(parameters))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
