"""The reader: a report asks it for rows, on one consistent snapshot, and never sees a connection.

The rows of each report have a module of their own beside this one, as in `storage.dashboard_rows`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import Record

from storage.database import Database, PooledConnection
from storage.errors import StorageTimeoutError
from storage.predicates import Query
from storage.sql import statement


class Snapshot:
    """One moment of the stored events: everything read from it agrees."""

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection

    async def fetch(self, name: str, *parameters: object) -> list[Record]:
        """Read all rows of the statement `read/<name>`."""
        return await self.fetch_query(Query(statement(f"read/{name}"), parameters))

    async def fetch_one(self, name: str, *parameters: object) -> Record:
        """Read the one row of the statement `read/<name>`."""
        (row,) = await self.fetch(name, *parameters)
        return row

    async def fetch_query(self, query: Query) -> list[Record]:
        """Read all rows of a statement that its report composed."""
        rows: list[Record] = await self._connection.fetch(query.text, *query.parameters)
        return rows


class Reader:
    """Opens snapshots of the stored events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def snapshot(self, timeout_s: float) -> AsyncIterator[Snapshot]:
        """Open a snapshot for a report that must be done within `timeout_s` seconds.

        When the caller is cancelled, so is what Postgres is doing for it.

        Raises:
            StorageTimeoutError: the time was over.
            StorageUnavailableError: the database is away.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._database.acquire_reader(timeout_s) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                # Filters that may be null, and ranges that open few of many partitions, want a plan for their values.
                await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
                yield Snapshot(connection)
        except TimeoutError as exc:
            raise StorageTimeoutError(
                "the report took longer than the time it was given; ask for a shorter range"
            ) from exc
