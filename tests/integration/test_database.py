"""Connections to real databases: pooled, read-only, bounded in time, and honest about what is wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres
from storage.postgres.database import Connection, Database, wait_until_ready
from storage.postgres.errors import (
    StorageRefusedError,
    StorageTimeoutError,
    StorageUnavailableError,
    UnsupportedPostgresError,
)
from tests.acceptance.running import free_port
from tests.conftest import database_url_in


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The connections to a migrated database of the test's own."""
    opened = await Database.open(database_url, readers=2)
    yield opened
    await opened.close()


@pytest.fixture
async def password_url(tmp_path: Path) -> AsyncIterator[str]:
    """A database on a TCP port that asks for the password `right horse`."""
    with EmbeddedPostgres(tmp_path / "locked") as postgres:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("CREATE ROLE rider LOGIN PASSWORD 'right horse'")
        await connection.close()
        access = tmp_path / "locked" / "postgres" / "pg_hba.conf"
        access.write_text("local all rider scram-sha-256\nlocal all all trust\n")
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        yield postgres.url.replace("postgres@", "rider:right%20horse@")


async def backend_of(connection: Connection) -> int:
    """Ask a connection for the process that serves it."""
    value: int = await connection.fetchval("SELECT pg_backend_pid()")
    return value


async def terminate(url: str, application: str) -> None:
    """End all connections of one role, as a restart of Postgres would."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = $1 AND datname = current_database()",
            application,
        )
    finally:
        await connection.close()


async def test_readers_cannot_write(database: Database) -> None:
    """A reader refuses to change anything, whatever its role may do."""
    async with database.acquire_reader(5) as reader:
        assert await reader.fetchval("SHOW application_name") == "analytics reader"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("CREATE TABLE surplus ()")


async def test_a_reader_is_cut_off_when_its_time_is_over(database: Database) -> None:
    """A slow statement ends in an error of its own, and the connection serves the next reader with its own time."""
    with pytest.raises(StorageTimeoutError):
        async with database.acquire_reader(0.2) as reader:
            await reader.execute("SELECT pg_sleep(30)")
    async with database.acquire_reader(20) as reader:
        assert await reader.fetchval("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'") > 19_000


async def test_readers_are_bounded(database: Database) -> None:
    """With all readers lent out the next waits for its time, no longer, and says that it is worth trying again."""
    async with database.acquire_reader(5), database.acquire_reader(5):
        with pytest.raises(StorageUnavailableError, match="became free in time"):
            async with database.acquire_reader(0.1):
                pytest.fail("there is a third reader")
    async with database.acquire_reader(5) as reader:
        assert await reader.fetchval("SELECT 1") == 1


async def test_a_cancelled_reader_ends_its_statement(database: Database, database_url: str) -> None:
    """A caller that gives up leaves no statement running in Postgres."""

    async def read() -> None:
        async with database.acquire_reader(60) as reader:
            await reader.execute("SELECT pg_sleep(60)")

    watcher = await asyncpg.connect(database_url)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
    task = asyncio.create_task(read())
    async with asyncio.timeout(10):
        while await watcher.fetchval(running) == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while await watcher.fetchval(running) != 0:
            await asyncio.sleep(0.01)
    await watcher.close()


async def test_readers_come_back_after_postgres_was_away(database: Database, database_url: str) -> None:
    """A connection that Postgres ended fails its user once, in our words; the pool then connects anew."""

    async def read_through_an_outage() -> None:
        async with database.acquire_reader(5) as reader:
            await terminate(database_url, "analytics reader")
            await reader.fetchval("SELECT 1")

    with pytest.raises(StorageUnavailableError):
        await read_through_an_outage()
    async with database.acquire_reader(5) as reader:
        assert await reader.fetchval("SELECT 1") == 1


async def test_a_writer_is_durable_whatever_the_default(database: Database, database_url: str) -> None:
    """A database whose default is to acknowledge before the disk does not change what our commits mean."""
    connection = await asyncpg.connect(database_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()
    writer = await database.connect_writer()
    try:
        assert await writer.fetchval("SHOW synchronous_commit") == "on"
        assert await writer.fetchval("SHOW application_name") == "analytics writer"
    finally:
        await writer.close()


async def test_ping_survives_the_loss_of_its_connection(database: Database, database_url: str) -> None:
    """A ping needs no free reader; after an outage the next one connects anew."""
    async with database.acquire_reader(5), database.acquire_reader(5):
        await database.ping(5)
    await terminate(database_url, "analytics health")
    for _ in range(2):
        try:
            await database.ping(5)
        except StorageUnavailableError:
            continue
        return
    pytest.fail("no ping succeeded after the first")


async def test_ping_of_an_absent_database_hides_its_place(tmp_path: Path) -> None:
    """Callers from outside may read this error: it names neither host nor database."""
    database = await Database.open(f"postgresql://user:hunter2@127.0.0.1:{free_port()}/private")
    with pytest.raises(StorageUnavailableError) as caught:
        await database.ping(5)
    assert str(caught.value) == "the database cannot be reached; try again"
    with pytest.raises(StorageUnavailableError):
        await database.connect_writer()
    await database.close()
    gone = await Database.open(f"postgresql://postgres@/analytics?host={tmp_path}")
    with pytest.raises(StorageUnavailableError):
        await gone.ping(5)
    await gone.close()


async def test_ping_of_a_silent_server_ends_in_time() -> None:
    """A server that accepts and never answers is away."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = await Database.open(f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/analytics")
        with pytest.raises(StorageUnavailableError):
            await database.ping(0.2)
        await database.close()


async def test_a_closed_database_is_unavailable(database: Database) -> None:
    """Use after close is an error of ours; closing twice is none."""
    await database.close()
    await database.close()
    with pytest.raises(StorageUnavailableError):
        async with database.acquire_reader(1):
            pytest.fail("a closed pool lends")


async def test_waiting_ends_when_the_database_appears(data_dir: Path) -> None:
    """Each attempt before is reported; the database that starts meanwhile is found."""
    postgres = EmbeddedPostgres(data_dir)
    url = postgres.start()
    postgres.stop()
    attempts: list[StorageUnavailableError] = []

    def on_retry(exc: StorageUnavailableError) -> None:
        attempts.append(exc)
        if len(attempts) == 2:
            postgres.start()

    try:
        await wait_until_ready(url, timeout_s=30, on_retry=on_retry)
    finally:
        postgres.stop()
    assert len(attempts) == 2


async def test_waiting_for_an_absent_database_is_bounded() -> None:
    """The last error says where nothing answered, without user and password."""
    port = free_port()
    attempts: list[StorageUnavailableError] = []
    with pytest.raises(StorageUnavailableError, match=f"127.0.0.1:{port}/private has been away") as caught:
        await wait_until_ready(
            f"postgresql://user:hunter2@127.0.0.1:{port}/private", timeout_s=0.5, on_retry=attempts.append
        )
    assert attempts
    assert "hunter2" not in str(caught.value)


async def test_a_wrong_password_is_not_tried_again(password_url: str) -> None:
    """The right password works; a wrong one ends at once, and shows up in no message."""
    await wait_until_ready(password_url, timeout_s=10, on_retry=lambda exc: pytest.fail(str(exc)))
    wrong = password_url.replace("right%20horse", "wrong%20horse")
    with pytest.raises(StorageRefusedError, match="password authentication failed") as caught:
        await wait_until_ready(wrong, timeout_s=10, on_retry=lambda exc: pytest.fail(str(exc)))
    assert "horse" not in str(caught.value)


async def test_a_missing_database_is_refused(postgres_server: str) -> None:
    """No retry makes a database that nobody has created."""
    url = database_url_in(postgres_server, "nowhere")
    with pytest.raises(StorageRefusedError, match='"nowhere" does not exist'):
        await wait_until_ready(url, timeout_s=10, on_retry=lambda exc: pytest.fail(str(exc)))


async def test_another_encoding_is_refused(postgres_server: str) -> None:
    """A database that cannot hold every character is refused before an event is lost to it."""
    connection = await asyncpg.connect(postgres_server)
    try:
        await connection.execute(
            "CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        )
        with pytest.raises(StorageRefusedError, match=r"LATIN1.*UTF8"):
            await wait_until_ready(
                database_url_in(postgres_server, "narrow"), timeout_s=10, on_retry=lambda exc: pytest.fail(str(exc))
            )
        await connection.execute("DROP DATABASE narrow WITH (FORCE)")
    finally:
        await connection.close()


async def test_an_old_server_is_refused(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than the oldest that is supported is named with both versions."""
    monkeypatch.setattr("storage.postgres.database.OLDEST_POSTGRES", 99)
    with pytest.raises(UnsupportedPostgresError, match=r"runs Postgres \d+; this service needs 99 or newer"):
        await wait_until_ready(postgres_server, timeout_s=10, on_retry=lambda exc: pytest.fail(str(exc)))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hun/ter2@db.example:5432/events",
        "postgresql://user:hunter2@[db.example/events",
        "postgresql://user:hunter2@db.example:port/events",
        "postgresql://user:hunter2@db.example/events?sslmode=hunter2",
    ],
)
async def test_a_malformed_url_is_refused_without_showing_it(url: str) -> None:
    """What cannot be parsed may hold the password anywhere: no part of it is shown, in causes neither."""
    with pytest.raises(StorageRefusedError, match="cannot be understood") as caught:
        await wait_until_ready(url, timeout_s=10, on_retry=lambda exc: pytest.fail(str(exc)))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hun" not in str(caught.value)
