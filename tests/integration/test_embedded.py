"""The embedded Postgres by itself: made, tuned, stopped, and refused with a clear message."""

import stat
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres, server
from storage.embedded.places import PidFile, Places
from storage.postgres.errors import EmbeddedPostgresError
from tests.integration.postgres_owner import ask, wait_until_gone


async def test_a_fresh_directory_becomes_a_database(data_dir: Path) -> None:
    """The first start makes everything; data is still there at the next; nothing is left running after each."""
    with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.owned
        assert postgres.poll() is None
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS value")
        assert await ask(postgres.url, "SELECT current_database()") == "analytics"
    wait_until_gone(data_dir / "postgres")
    with EmbeddedPostgres(data_dir) as postgres:
        assert await ask(postgres.url, "SELECT value FROM kept") == 42


async def test_only_the_owner_reaches_it(data_dir: Path) -> None:
    """There is no TCP port, and every folder is closed to other users."""
    with EmbeddedPostgres(data_dir) as postgres:
        assert await ask(postgres.url, "SHOW listen_addresses") == ""
        for folder in (data_dir, data_dir / "postgres", data_dir / "run"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres.log").stat().st_mode) == 0o600


async def test_it_is_tuned_and_durable(data_dir: Path) -> None:
    """The configuration file is read whole, and what was acknowledged is on disk."""
    with EmbeddedPostgres(data_dir) as postgres:
        broken = "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL OR NOT applied"
        assert await ask(postgres.url, broken) == 0
        assert await ask(postgres.url, "SHOW fsync") == "on"
        assert await ask(postgres.url, "SHOW synchronous_commit") == "on"
        assert await ask(postgres.url, "SHOW data_checksums") == "on"
        assert await ask(postgres.url, "SELECT upper('é')") == "É"


async def test_an_operators_setting_wins_over_ours(data_dir: Path) -> None:
    """ALTER SYSTEM survives the configuration that each start writes anew."""
    with EmbeddedPostgres(data_dir) as postgres:
        await ask(postgres.url, "ALTER SYSTEM SET work_mem = '5MB'")
    with EmbeddedPostgres(data_dir) as postgres:
        assert await ask(postgres.url, "SHOW work_mem") == "5MB"


async def test_a_payload_does_not_reach_the_log(data_dir: Path) -> None:
    """Neither a refused statement nor the line of a COPY that fails is logged, and what the server does still is."""
    with EmbeddedPostgres(data_dir) as postgres:
        await ask(postgres.url, "CREATE TABLE payloads (body jsonb)")
        connection = await asyncpg.connect(postgres.url)
        try:
            with pytest.raises(asyncpg.DataError):
                await connection.execute("""INSERT INTO payloads VALUES ('{"secret": "insert')""")
            with pytest.raises(asyncpg.DataError):
                await connection.copy_records_to_table("payloads", records=[('{"secret": "copy',)])
        finally:
            await connection.close()
    log = (data_dir / "postgres.log").read_text()
    assert "database system is ready" in log
    assert "secret" not in log
    assert "invalid input syntax" not in log


async def test_stopping_does_not_wait_for_clients(data_dir: Path) -> None:
    """A connected client, even one in a transaction, does not hold up the stop."""
    postgres = EmbeddedPostgres(data_dir)
    url = postgres.start()
    connection = await asyncpg.connect(url)
    await connection.execute("BEGIN")
    postgres.stop()
    wait_until_gone(data_dir / "postgres")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("SELECT 1")
    connection.terminate()
    # A clean stop: nothing to recover.
    assert "database system is shut down" in (data_dir / "postgres.log").read_text()


async def test_an_interrupted_first_start_is_begun_again(data_dir: Path) -> None:
    """What a cut-off initdb left is thrown away."""
    half = data_dir / "postgres.new.1"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data_dir) as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1
    assert not half.exists()


def test_foreign_files_are_left_alone(data_dir: Path) -> None:
    """A folder with other files in the database's place is refused, not overwritten."""
    foreign = data_dir / "postgres" / "letter.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="no Postgres cluster"):
        EmbeddedPostgres(data_dir).start()
    assert foreign.read_text() == "mine"


def test_another_major_version_is_refused(data_dir: Path) -> None:
    """A cluster of another major version is not touched, and the message says how to move on."""
    EmbeddedPostgres(data_dir).__enter__().stop()
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match=r"is of Postgres 17.*pg_dump"):
        EmbeddedPostgres(data_dir).start()


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    """The error quotes the log's last lines; the lock is free for the next attempt."""
    EmbeddedPostgres(data_dir).__enter__().stop()
    automatic = data_dir / "postgres" / "postgresql.auto.conf"
    automatic.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match=r"ended with code 1 while it started(.|\n)*no_such_setting"):
        EmbeddedPostgres(data_dir).start()
    automatic.write_text("")
    EmbeddedPostgres(data_dir).__enter__().stop()


def test_a_server_without_progress_is_given_up(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that shows no sign of life ends, and leaves nothing running."""
    EmbeddedPostgres(data_dir).__enter__().stop()
    monkeypatch.setattr(server, "START_TIMEOUT_S", 0.0)
    monkeypatch.setattr(PidFile, "read", classmethod(lambda _cls, _data: None))
    with pytest.raises(EmbeddedPostgresError, match="no progress"):
        EmbeddedPostgres(data_dir).start()
    wait_until_gone(data_dir / "postgres")


def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    """A data directory that cannot be made is an error of ours that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"cannot use .*file/data"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_the_log_stays_bounded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has grown becomes the old log, while the server runs."""
    monkeypatch.setattr(server, "MAX_LOG_BYTES", 100)
    with EmbeddedPostgres(data_dir) as postgres:
        places = Places.under(data_dir)
        assert places.log.stat().st_size > 100
        postgres.poll()
        assert places.log.stat().st_size == 0
        assert "ready to accept connections" in places.old_log.read_text()
