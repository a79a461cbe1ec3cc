"""The embedded Postgres between processes: shared, killed in every way, taken over."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.embedded import EmbeddedPostgres, server
from storage.embedded.identity import LAUNCHER, choose_identity
from storage.embedded.places import PidFile, program
from storage.embedded.processes import processes_in
from storage.postgres.errors import EmbeddedPostgresError
from tests.integration.postgres_owner import (
    PATIENCE_S,
    ask,
    greet,
    owner,
    postmaster,
    start_owner,
    wait_until_gone,
)

ORPHAN = """
import os, runpy, sys
launcher, mode, uid, gid, *command = sys.argv[1:]
if os.fork() == 0:
    os.setsid()
    if mode == "namespace":
        runpy.run_path(launcher)["enter_namespace"](int(uid), int(gid))
    os.execv(command[0], command)
"""
"""Starts a server as the launcher does, but for asking to be stopped with a parent, which it has none of."""


def make_orphan(data_dir: Path) -> int:
    """Start a server that belongs to nobody, as a kill -9 may leave it, and return its pid."""
    who = choose_identity(program("postgres"))
    if who.mode == "user":
        pytest.skip("this system allows no user namespaces, which the test's orphan needs where it is root")
    places = ("-D", str(data_dir / "postgres"), "-k", str(data_dir / "run"), "-c", "listen_addresses=")
    arguments = [str(LAUNCHER), who.mode, str(who.uid), str(who.gid), str(program("postgres")), *places]
    subprocess.run([sys.executable, "-c", ORPHAN, *arguments], check=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while (noted := PidFile.read(data_dir / "postgres")) is None or not noted.ready:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return noted.pid


async def test_a_killed_server_is_started_again_by_the_same_object(data_dir: Path) -> None:
    """A kill -9 of the postmaster shows in poll, and start brings back what was committed."""
    with EmbeddedPostgres(data_dir) as postgres:
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS value")
        os.kill(postmaster(data_dir), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while postgres.poll() is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert postgres.poll() == -signal.SIGKILL
        postgres.start()
        assert postgres.poll() is None
        assert postgres.owned
        assert await ask(postgres.url, "SELECT value FROM kept") == 42


async def test_a_killed_parent_takes_the_server_along(data_dir: Path) -> None:
    """A kill -9 of the owner leaves no orphan, and the next process owns the database at once."""
    with owner(data_dir) as first:
        assert first.owned
        await ask(first.url, "CREATE TABLE kept AS SELECT 42 AS value")
        first.kill()
        with EmbeddedPostgres(data_dir) as second:
            assert second.owned
            assert postmaster(data_dir) != first.postmaster
            assert await ask(second.url, "SELECT value FROM kept") == 42
    wait_until_gone(data_dir / "postgres")


async def test_an_orphan_is_taken_over(data_dir: Path) -> None:
    """A server that outlived its parent, as where the kernel does not tell it, is stopped by the next start."""
    EmbeddedPostgres(data_dir).__enter__().stop()
    orphan = make_orphan(data_dir)
    with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.owned
        assert postmaster(data_dir) != orphan
        assert await ask(postgres.url, "SELECT 1") == 1
        assert orphan not in processes_in(data_dir / "postgres")
    wait_until_gone(data_dir / "postgres")


async def test_two_processes_share_one_server(data_dir: Path) -> None:
    """Of two that start at once one owns the server; the other finds it, and its stop changes nothing."""
    with start_owner(data_dir) as one, start_owner(data_dir) as other:
        first, second = sorted((greet(one), greet(other)), key=lambda each: not each.owned)
        assert (first.owned, second.owned) == (True, False)
        assert first.url == second.url
        assert first.postmaster == second.postmaster
        assert second.finish() == 0
        assert await ask(first.url, "SELECT 1") == 1
        assert first.finish() == 0
    wait_until_gone(data_dir / "postgres")


def test_a_stuck_owner_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the lock's holder has no server ready for long, the message names it."""
    monkeypatch.setattr(server, "START_TIMEOUT_S", 0.1)
    data_dir.mkdir()
    holder = EmbeddedPostgres(data_dir)
    assert holder._lock.acquire()
    try:
        with pytest.raises(EmbeddedPostgresError, match=f"process {os.getpid()} is still starting"):
            EmbeddedPostgres(data_dir).start()
    finally:
        holder.stop()


def test_a_kill_while_the_database_is_made_is_survived(data_dir: Path) -> None:
    """Killed again and again at any moment of its first start, it is begun anew each time."""
    for delay_s in (0.2, 0.3, 0.4, 0.5, 0.6):
        with start_owner(data_dir) as process:
            time.sleep(delay_s)
            process.kill()
    with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.owned
    # The last killed attempt may go on writing for a moment; a start after that removes what it left.
    deadline = time.monotonic() + 30
    while list(data_dir.glob("postgres.new*")):
        assert time.monotonic() < deadline
        with EmbeddedPostgres(data_dir):
            pass


def test_a_pid_file_that_names_a_stranger_does_not_block(data_dir: Path) -> None:
    """After a reboot the old number may belong to any process; that one is left alone, and Postgres starts."""
    EmbeddedPostgres(data_dir).__enter__().stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (data_dir / "postgres" / "postmaster.pid").write_text(
                f"{stranger.pid}\n{data_dir / 'postgres'}\n1\n5432\n{data_dir / 'run'}\n\n1 1\nready\n"
            )
            with EmbeddedPostgres(data_dir) as postgres:
                assert postgres.owned
            assert stranger.poll() is None
        finally:
            stranger.kill()
