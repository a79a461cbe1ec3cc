"""The reader: a report asks it for rows, on one consistent snapshot, and never sees a connection.

The rows of each report have a module of their own beside this one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from asyncpg import Record

from storage.postgres.database import Database, PooledConnection
from storage.postgres.errors import StorageTimeoutError
from storage.reports.predicates import Query
from storage.sql import statement

READ_MUCH = "SET LOCAL plan_cache_mode TO DEFAULT; SET LOCAL work_mem TO DEFAULT"
READ_LITTLE = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL work_mem = '1MB'"
"""Planning takes longer than reading little does, and so does making room for as many rows as such a plan expects."""


class Snapshot:
    """One moment of the stored events: everything read from it agrees."""

    def __init__(self, connection: PooledConnection, database: Database, deadline: float) -> None:
        """Read from a connection in a transaction, until `deadline`, a time of the loop's clock."""
        self.connection = connection
        self._database = database
        self._deadline = deadline
        self._sorts = True
        self._expects_little = self._reads_little = False

    async def fetch(self, name: str, *parameters: object) -> list[Record]:
        """Read all rows of the statement `read/<name>`."""
        return await self.fetch_query(Query(statement(f"read/{name}"), parameters))

    async def fetch_one(self, name: str, *parameters: object) -> Record:
        """Read the one row of the statement `read/<name>`."""
        (row,) = await self.fetch(name, *parameters)
        return row

    async def fetch_query(self, query: Query) -> list[Record]:
        """Read all rows of a statement that its report composed."""
        if self._reads_little != self._expects_little:
            self._reads_little = self._expects_little
            await self.connection.execute(READ_LITTLE if self._reads_little else READ_MUCH)
        if self._sorts == query.groups_by_hash:
            self._sorts = not query.groups_by_hash
            await self.connection.execute(f"SET LOCAL enable_sort = {'on' if self._sorts else 'off'}")
        rows: list[Record] = await self.connection.fetch(query.text, *query.parameters)
        return rows

    @contextmanager
    def expecting(self, *, little: bool) -> Iterator[None]:
        """Let statements be run as those are that read little, or much, as they do otherwise."""
        before, self._expects_little = self._expects_little, little
        yield
        self._expects_little = before

    async def fetch_each(self, queries: Sequence[Query]) -> list[list[Record]]:
        """Read all rows of each statement, two at once where a second connection is free.

        Args:
            queries: the statements; those that take longest first, so that both connections end at about the same time.
        """
        answers: list[list[Record]] = [[] for _ in queries]
        places = iter(range(len(queries)))

        async def read_some(snapshot: Snapshot) -> None:
            for place in places:
                answers[place] = await snapshot.fetch_query(queries[place])

        async def read_beside(snapshot_id: str) -> None:
            left_s = self._deadline - asyncio.get_running_loop().time()
            async with _begin(self._database, max(left_s, 0.001), snapshot_id) as connection:
                await read_some(Snapshot(connection, self._database, self._deadline))

        lanes = [read_some(self)]
        if len(queries) > 1 and self._database.has_free_reader():
            lanes.append(read_beside(await self.connection.fetchval("SELECT pg_export_snapshot()")))
        tasks = [asyncio.create_task(lane) for lane in lanes]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return answers


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
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            async with asyncio.timeout(timeout_s), _begin(self._database, timeout_s) as connection:
                yield Snapshot(connection, self._database, deadline)
        except TimeoutError as exc:
            raise StorageTimeoutError(
                "the report took longer than the time it was given; ask for a shorter range"
            ) from exc


@asynccontextmanager
async def _begin(
    database: Database, timeout_s: float, snapshot_id: str | None = None
) -> AsyncIterator[PooledConnection]:
    """Lend a connection in a transaction that sees one moment: now, or that of the snapshot of this id."""
    async with (
        database.acquire_reader(timeout_s) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        if snapshot_id is not None:
            await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot_id}'")
        yield connection
