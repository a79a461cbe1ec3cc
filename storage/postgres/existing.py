"""The database of a command: one that exists already. Commands never make a database; the service and `migrate` do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from storage.embedded import EmbeddedPostgres, has_cluster
from storage.postgres.database import Address, Database, wait_until_ready
from storage.postgres.errors import DatabaseMissingError, NotMigratedError, StorageUnavailableError

COMMAND_WAIT_S = 5.0
"""How long a command that somebody watches waits for a database that is away."""
_SCHEMA_ERRORS = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
"""What a statement meets in a database that was never migrated, or not up to this program's schema."""


@asynccontextmanager
async def open_existing(database_url: str | None, data_dir: Path) -> AsyncIterator[Database]:
    """Open the database at `database_url`, or the embedded one in `data_dir`, which is started where nobody runs it.

    Raises:
        DatabaseMissingError: there is no database in `data_dir`; nothing was made there.
        NotMigratedError: the database lacks tables or columns that the body needs.
        StorageUnavailableError: the database stayed away for COMMAND_WAIT_S.
        StorageRefusedError: the database refuses us.
        EmbeddedPostgresError: the embedded Postgres does not start.
    """
    if database_url is not None:
        await wait_until_ready(database_url, on_retry=_ignore, timeout_s=COMMAND_WAIT_S)
        async with _opened(database_url) as database:
            yield database
        return
    if not has_cluster(data_dir):
        raise _missing(data_dir)
    # Started in this thread, which outlives it: Postgres is stopped when the thread that started it ends.
    with EmbeddedPostgres(data_dir) as postgres:
        async with _opened(postgres.url) as database:
            yield database


def _missing(data_dir: Path) -> DatabaseMissingError:
    return DatabaseMissingError(
        f"there is no database in {data_dir.resolve()}: start the service with `analytics up`, or name the folder of "
        "its data with ANALYTICS_DATA_DIR, or a Postgres with DATABASE_URL"
    )


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    try:
        yield database
    except _SCHEMA_ERRORS as exc:
        raise NotMigratedError(
            f"the database {Address(url).where} does not have the tables that this program needs: run `analytics "
            "migrate`, or check that this is the database of the service"
        ) from exc
    finally:
        await database.close()


def _ignore(_exc: StorageUnavailableError) -> None:
    """Say nothing about one attempt; the error of the last one says what was wrong."""
