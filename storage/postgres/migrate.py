"""Bring a database to the schema of this program: Alembic's revisions, run from code, one program at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from storage.postgres.database import Address, Connection
from storage.postgres.errors import (
    DatabaseTooNewError,
    ForeignTablesError,
    MigrationFailedError,
    StorageUnavailableError,
    translate,
    translated,
)
from storage.postgres.schema import metadata

LOCK_KEY = 0x616E_616C_7974_6963
"""The advisory lock held during a migration ("analytic" in ASCII); no other program is likely to use this number."""
VERSION_TABLE = "analytics_schema_version"
"""Where the revision of the schema is kept: by a name of our own, since Alembic's is that of every program with it."""
LOCK_WAIT_S = 120.0
"""A migration in progress elsewhere is worth waiting for so long; then a person should look."""
LOCK_POLL_S = 0.2
"""Asking again rather than waiting inside Postgres: a waiting statement would hold up CREATE INDEX CONCURRENTLY."""

_log = structlog.get_logger(__name__)


class Migration(NamedTuple):
    """What a migration did: from which revision (None: an empty database) to which."""

    before: str | None
    after: str


def head() -> str:
    """Name the newest revision that this program knows."""
    revision = _scripts().get_current_head()
    assert revision is not None  # noqa: S101 - the program ships with its revisions
    return revision


async def current(url: str) -> str | None:
    """Read the revision that the database is at; None when it has never been migrated.

    Raises:
        StorageUnavailableError, StorageRefusedError: the database cannot be read.
    """
    async with _connection(Address(url)) as connection:
        return await connection.run_sync(_current)


async def migrate(url: str, *, lock_wait_s: float = LOCK_WAIT_S) -> Migration:
    """Apply what is missing, each revision in its own transaction. Idempotent; any number of programs may call it.

    Args:
        url: as DATABASE_URL.
        lock_wait_s: how long to wait while another program migrates.

    Raises:
        DatabaseTooNewError: the database is at a revision that this program does not know; nothing was written.
        ForeignTablesError: tables of our names are there already, and are not ours; nothing was written.
        StorageUnavailableError: the database is away, or another program migrates for longer than `lock_wait_s`.
        StorageRefusedError: the role may not change the schema.
        MigrationFailedError: Postgres refuses a statement.
    """
    address = Address(url)
    async with _connection(address) as connection:
        before = await connection.run_sync(_checked_current)
        if before != head():
            await _lock(connection, lock_wait_s)
            # Another program may have done it meanwhile.
            before = await connection.run_sync(_checked_current)
            if before != head():
                if before is None:
                    await connection.run_sync(_check_names, address.where)
                await connection.run_sync(_upgrade)
                _log.info("schema_migrated", before=before, after=head(), database=address.where)
    return Migration(before, head())


def _scripts() -> ScriptDirectory:
    # No configuration file and no env.py: the place of the revisions is all that Alembic needs to know.
    return ScriptDirectory(str(Path(__file__).parent / "migrations"))


@asynccontextmanager
async def _connection(address: Address) -> AsyncIterator[AsyncConnection]:
    """Open one connection for Alembic, outside of any transaction; closing it frees its locks."""

    async def connect() -> Connection:
        return await address.connect("migrate")

    # Alembic tells each step at INFO, which is this module's to say.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with translated(address.where):
            try:
                async with engine.connect() as connection:
                    yield connection
            except sa.exc.DBAPIError as exc:
                # SQLAlchemy wraps asyncpg's error twice; the original says what happened.
                cause = (exc.orig.__cause__ if exc.orig is not None else None) or exc
                # The first line names tables and columns; the detail below it quotes rows.
                why = str(cause).partition("\n")[0]
                failed = MigrationFailedError(f"the database {address.where} cannot be migrated to {head()}: {why}")
                raise translate(cause, address.where) or failed from exc
    finally:
        await engine.dispose()


def _current(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    revision = context.get_current_revision()
    connection.rollback()
    return revision


def _check_names(connection: sa.Connection, where: str) -> None:
    """See that no table of our names is there in a database that we have never migrated."""
    taken = sorted(metadata.tables.keys() & set(sa.inspect(connection).get_table_names()))
    connection.rollback()
    if taken:
        raise ForeignTablesError(
            f"the database {where} already has tables that this service has not made ({', '.join(taken)}), and no "
            f"{VERSION_TABLE}: use another database, or rename or drop them"
        )


def _checked_current(connection: sa.Connection) -> str | None:
    revision = _current(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseTooNewError(
            f"the database is at schema revision {revision}, and this program knows only up to {head()}: "
            "a newer version has migrated it; run that version, or use another database"
        )
    return revision


async def _lock(connection: AsyncConnection, wait_s: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while not await connection.scalar(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}):
        # Commit either way: the lock is the session's, and an open transaction would hold up the one who migrates.
        await connection.commit()
        if loop.time() >= deadline:
            raise StorageUnavailableError(
                f"another program has been migrating this database for over {wait_s:g} s; "
                "wait for it, or end its session (application_name 'analytics migrate' in pg_stat_activity)"
            )
        await asyncio.sleep(LOCK_POLL_S)
    await connection.commit()


def _upgrade(connection: sa.Connection) -> None:
    scripts = _scripts()

    def steps(revision: object, _context: MigrationContext) -> list[MigrationStep]:
        return list(scripts._upgrade_revs("head", revision))  # type: ignore[arg-type]  # noqa: SLF001 - as alembic.command does

    environment = EnvironmentContext(Config(), scripts, fn=steps, destination_rev="head")
    environment.configure(
        connection=connection, target_metadata=metadata, transaction_per_migration=True, version_table=VERSION_TABLE
    )
    with environment.begin_transaction():
        environment.run_migrations()
