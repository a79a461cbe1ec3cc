"""Migrations against real databases: equal to the metadata, run once, never backwards."""

import asyncio
import logging

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from storage.postgres.errors import (
    DatabaseTooNewError,
    ForeignTablesError,
    MigrationFailedError,
    StorageRefusedError,
    StorageUnavailableError,
)
from storage.postgres.migrate import LOCK_KEY, VERSION_TABLE, Migration, current, head, migrate
from storage.postgres.schema import metadata
from tests.conftest import database_url_in

POSTGRES_SCALE_FACTOR, POSTGRES_THRESHOLD = 0.2, 50
"""What autovacuum goes by for tables without settings of their own."""


async def fetch(url: str, query: str) -> list[asyncpg.Record]:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(query)
        return rows
    finally:
        await connection.close()


async def differences(url: str) -> list[object]:
    """List what autogenerate would change, days' partitions left aside."""
    children = {
        str(row["child"]) for row in await fetch(url, "SELECT inhrelid::regclass::text AS child FROM pg_inherits")
    }

    def compare(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_server_default": True,
                "include_name": lambda name, kind, _parents: kind != "table" or name not in children,
            },
        )
        found: list[object] = compare_metadata(context, metadata)
        return found

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


async def test_migrations_equal_the_metadata(database_url: str) -> None:
    """A migrated database differs in nothing from the tables that the code declares, partitions present or not."""
    await fetch(
        database_url,
        "CREATE TABLE analytics_events_20240101 PARTITION OF analytics_events "
        "FOR VALUES FROM ('2024-01-01T00:00Z') TO ('2024-01-02T00:00Z')",
    )
    assert await differences(database_url) == []


async def test_a_difference_would_be_seen(database_url: str) -> None:
    """The comparison above can fail: a dropped index, a new column and a changed type are each reported."""
    await fetch(database_url, "DROP INDEX ix_analytics_events_user_id_timestamp")
    await fetch(database_url, "ALTER TABLE analytics_events ADD COLUMN surplus text")
    await fetch(database_url, "ALTER TABLE analytics_event_keys ALTER COLUMN fingerprint TYPE integer")
    assert len(await differences(database_url)) == 3


async def test_events_are_partitioned_by_range_of_timestamp(database_url: str) -> None:
    """What autogenerate does not compare: the partition key, no default partition, the queue's vacuum settings."""
    keys = await fetch(database_url, "SELECT pg_get_partkeydef('analytics_events'::regclass) AS key")
    assert keys[0]["key"] == 'RANGE ("timestamp")'
    assert await fetch(database_url, "SELECT 1 FROM pg_inherits WHERE inhparent = 'analytics_events'::regclass") == []
    options = await fetch(database_url, "SELECT reloptions FROM pg_class WHERE oid = 'analytics_blocks'::regclass")
    assert options[0]["reloptions"] == [
        "autovacuum_vacuum_scale_factor=0",
        "autovacuum_vacuum_threshold=200",
        "autovacuum_vacuum_insert_threshold=-1",
    ]


async def test_migrating_goes_from_empty_to_head_once(empty_database_url: str) -> None:
    """The first migration says what it did; the second finds nothing to do."""
    assert await current(empty_database_url) is None
    assert await migrate(empty_database_url) == Migration(None, head())
    assert await migrate(empty_database_url) == Migration(head(), head())
    assert await current(empty_database_url) == head()


async def test_of_many_programs_one_migrates(empty_database_url: str) -> None:
    """Servers that start at once all succeed, and only one of them finds something to do."""
    done = await asyncio.gather(*(migrate(empty_database_url) for _ in range(6)))
    assert sorted(done, key=lambda one: one.before or "") == [Migration(None, head())] + 5 * [Migration(head(), head())]


async def test_waiting_for_another_migration_is_bounded(empty_database_url: str) -> None:
    """While another session holds the lock nothing is written, and the wait ends with a message that says so."""
    holder = await asyncpg.connect(empty_database_url)
    try:
        await holder.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        with pytest.raises(StorageUnavailableError, match="another program has been migrating"):
            await migrate(empty_database_url, lock_wait_s=0.3)
        assert await current(empty_database_url) is None
    finally:
        await holder.close()
    assert (await migrate(empty_database_url)).after == head()


async def test_a_migrated_database_needs_no_lock(database_url: str) -> None:
    """A server starts on an up-to-date database even while somebody holds the lock."""
    holder = await asyncpg.connect(database_url)
    try:
        await holder.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        assert await migrate(database_url, lock_wait_s=0) == Migration(head(), head())
    finally:
        await holder.close()


async def test_a_newer_database_is_refused_untouched(database_url: str) -> None:
    """A revision that this program does not know is named, and stays as it is."""
    await fetch(database_url, "UPDATE analytics_schema_version SET version_num = '9999'")
    with pytest.raises(DatabaseTooNewError, match=f"9999.*{head()}"):
        await migrate(database_url)
    assert await current(database_url) == "9999"


async def test_a_failing_revision_leaves_nothing_behind(empty_database_url: str) -> None:
    """A revision that fails half-way is rolled back whole, its lock freed, and can be tried again."""
    await fetch(empty_database_url, "CREATE SEQUENCE ix_analytics_events_user_id_timestamp")
    with pytest.raises(MigrationFailedError, match='"ix_analytics_events_user_id_timestamp" already exists'):
        await migrate(empty_database_url)
    assert "analytics_events" not in await tables(empty_database_url)
    await fetch(empty_database_url, "DROP SEQUENCE ix_analytics_events_user_id_timestamp")
    assert (await migrate(empty_database_url)).after == head()


async def tables(url: str) -> set[str]:
    """Name the tables of a database."""
    rows = await fetch(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


@pytest.mark.finding(26)
async def test_another_programs_alembic_version_is_left_alone(empty_database_url: str) -> None:
    """It uses Alembic too, and has migrated the same database to a revision of its own."""
    await fetch(empty_database_url, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    await fetch(empty_database_url, "INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    assert await migrate(empty_database_url) == Migration(None, head())
    assert await migrate(empty_database_url) == Migration(head(), head())
    assert [row[0] for row in await fetch(empty_database_url, "SELECT * FROM alembic_version")] == ["ae1027a6acf"]
    assert [row[0] for row in await fetch(empty_database_url, "SELECT * FROM analytics_schema_version")] == [head()]


@pytest.mark.finding(26)
async def test_every_table_has_a_name_of_ours(database_url: str) -> None:
    """So that they meet those of no other program in the same database."""
    assert {name for name in await tables(database_url) if not name.startswith("analytics_")} == set()


@pytest.mark.finding(26)
async def test_tables_of_our_names_that_are_not_ours_are_named(empty_database_url: str) -> None:
    """Nothing is written, and the message says what to do."""
    await fetch(empty_database_url, "CREATE TABLE analytics_events (mine int)")
    await fetch(empty_database_url, "CREATE TABLE analytics_event_keys (mine int)")
    before = await tables(empty_database_url)
    with pytest.raises(ForeignTablesError, match=r"\(analytics_event_keys, analytics_events\).*use another database"):
        await migrate(empty_database_url)
    assert await tables(empty_database_url) == before


@pytest.mark.finding(8)
async def test_the_keys_of_a_night_are_vacuumed_before_the_next(database_url: str) -> None:
    """Retention deletes a ninetieth of them; by their table's settings autovacuum is due then."""
    found = await fetch(database_url, "SELECT reloptions FROM pg_class WHERE oid = 'analytics_event_keys'::regclass")
    settings = dict(option.split("=") for option in found[0]["reloptions"] or ())
    share = float(settings.get("autovacuum_vacuum_scale_factor", POSTGRES_SCALE_FACTOR))
    least = int(settings.get("autovacuum_vacuum_threshold", POSTGRES_THRESHOLD))
    for events_a_day in (20_000, 500_000, 10_000_000):
        # As Postgres's documentation reckons when autovacuum is due: 90 days are kept, one more was just deleted.
        assert events_a_day > least + share * 90 * events_a_day


async def test_a_role_without_rights_is_refused(empty_database_url: str) -> None:
    """A role that may not create tables gets a message that speaks of rights."""
    name = "limited"
    await fetch(empty_database_url, f"CREATE ROLE {name} LOGIN")
    try:
        with pytest.raises(StorageRefusedError, match="permission denied for schema public"):
            await migrate(empty_database_url.replace("postgres@", f"{name}@"))
    finally:
        await fetch(empty_database_url, f"DROP ROLE {name}")


async def test_migrating_leaves_logging_quiet(empty_database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Alembic's own lines stay out of the log even where it shows INFO."""
    with caplog.at_level(logging.INFO):
        await migrate(empty_database_url)
    assert [record for record in caplog.records if record.name.startswith("alembic")] == []


async def test_an_absent_database_is_named_without_its_password(postgres_server: str) -> None:
    """The message of a refusal says which database, and never with which password."""
    url = database_url_in(postgres_server, "nowhere").replace("postgres@", "postgres:hunter2@")
    with pytest.raises(StorageRefusedError, match=r'run/nowhere.*"nowhere" does not exist') as caught:
        await migrate(url)
    assert "hunter2" not in str(caught.value)
