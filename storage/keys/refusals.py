"""How many calls were refused for who made them, by reason, of all time and all servers."""

from collections.abc import Mapping

from storage.keys.table import READ_TIMEOUT_S, statement
from storage.postgres.database import Database
from storage.postgres.errors import translated


async def add_refusals(database: Database, calls: Mapping[str, int]) -> None:
    """Add what one process refused since it last did so.

    Raises:
        StorageUnavailableError: the database is away; nothing was added.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await connection.execute(statement("add_refusals"), sorted(calls), [calls[name] for name in sorted(calls)])
    finally:
        connection.terminate()


async def read_refusals(database: Database) -> dict[str, int]:
    """Read the counts, by reason.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        rows = await connection.fetch(statement("refusals"))
    return {row["reason"]: row["calls"] for row in rows}
