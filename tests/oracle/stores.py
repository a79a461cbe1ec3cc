"""The two stores that a report's statement is asked in: Postgres through our schema, and DuckDB beside it.

Both take the same text with the same numbered parameters. DuckDB lacks a few names that Postgres has; they are given
to it here and nowhere else.
"""

import csv
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import duckdb

from storage.postgres.database import Database
from storage.reports.predicates import Query
from storage.write.batch import COLUMNS
from tests.oracle.history import Happening
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
CREATE MACRO hashtextextended(value, seed) AS hash(value, seed);
CREATE MACRO date_bin(width, moment, origin) AS time_bucket(width, moment, origin);
CREATE MACRO width_bucket(value, starts) AS len(list_filter(starts, lambda start: start <= value));
"""


class Stores:
    """The same histories three times: for an oracle, in Postgres and in DuckDB.

    No dataclass: hypothesis would write thousands of histories into its report.
    """

    def __init__(
        self,
        histories: Mapping[str, Sequence[Happening]],
        postgres: asyncpg.Connection,
        duck: duckdb.DuckDBPyConnection,
    ) -> None:
        self.histories = histories
        self.postgres = postgres
        self.duck = duck

    @property
    def events(self) -> list[Happening]:
        """All events of all actors."""
        return [event for history in self.histories.values() for event in history]

    async def ask_both(self, query: Query) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Ask Postgres, then DuckDB."""
        rows = await self.postgres.fetch(query.text, *query.parameters)
        return [dict(row) for row in rows], ask_duckdb(self.duck, query.text, query.parameters)


@asynccontextmanager
async def open_stores(database_url: str, histories: Mapping[str, Sequence[Happening]]) -> AsyncIterator[Stores]:
    """Load histories into a migrated database and into a DuckDB."""
    rows = [event.row() for history in histories.values() for event in history]
    database = await Database.open(database_url)
    await load_postgres(database, rows)
    await database.close()
    postgres = await asyncpg.connect(database_url, server_settings={"TimeZone": "UTC", "jit": "off"})
    try:
        with open_duckdb() as duck:
            load_duckdb(duck, rows)
            yield Stores(histories, postgres, duck)
    finally:
        await postgres.close()


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
