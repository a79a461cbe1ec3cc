"""A lease: a Postgres advisory lock that one of several processes holds at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zlib import crc32

from storage.postgres.database import Connection, Database
from storage.postgres.errors import translated

LOCK_SPACE = 0x534C_4A42
"""First half of every lease's lock key ("SLJB"), which keeps leases apart from other locks."""


@asynccontextmanager
async def lease(database: Database, name: str) -> AsyncIterator[bool]:
    """Try to take the lease of this name, yield whether it was free, and give it back at the end.

    The lock belongs to a connection: when its holder is killed, Postgres frees it.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            taken = await _try_lock(connection, name)
        yield taken
    finally:
        connection.terminate()


async def _try_lock(connection: Connection, name: str) -> bool:
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock($1, $2)", LOCK_SPACE, crc32(name.encode()) - 2**31
    )
    return taken
