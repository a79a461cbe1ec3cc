"""A lease: a Postgres advisory lock that one of several processes holds at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zlib import crc32

from storage.postgres.database import Connection, Database
from storage.postgres.errors import LeaseTakenError, translated

LOCK_SPACE = 0x534C_4A42
"""First half of every lease's lock key ("SLJB"), which keeps leases apart from other locks."""
POLL_S = 0.05
"""Asking again rather than waiting inside Postgres: a waiting statement would hold up what waits for old snapshots."""
HOLDER_CHECK = "1s"
"""A holder that was killed in the middle of a statement is noticed so soon, and its work rolled back."""


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


@asynccontextmanager
async def leased_connection(database: Database, name: str, *, wait_s: float) -> AsyncIterator[Connection]:
    """Yield a connection that holds the lease of this name: when either goes, so does the other.

    Statements may take as long as they need. Database errors of the body are translated.

    Raises:
        LeaseTakenError: another process has held it for `wait_s`.
        StorageUnavailableError: the database is away.
    """
    deadline_s = asyncio.get_running_loop().time() + wait_s
    with translated():
        connection = await database.address.connect(
            name, settings={"client_connection_check_interval": HOLDER_CHECK, "synchronous_commit": "on"}
        )
        try:
            while not await _try_lock(connection, name):
                if asyncio.get_running_loop().time() > deadline_s:
                    raise LeaseTakenError(f"another process has been busy with the {name} for {wait_s:g} s; try later")
                await asyncio.sleep(POLL_S)
            yield connection
        finally:
            connection.terminate()


async def _try_lock(connection: Connection, name: str) -> bool:
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock($1, $2)", LOCK_SPACE, crc32(name.encode()) - 2**31
    )
    return taken
