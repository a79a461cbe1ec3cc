"""A Postgres of another version than the embedded one, for tests of what the service does in an outside database."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg

from storage.embedded.identity import choose_identity, postgres_environment

SUPERUSER = "postgres"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=200")
"""Reached through its socket alone; nobody pulls the plug in a test."""


@contextmanager
def other_postgres(programs: Path, folder: Path) -> Iterator[str]:
    """Run a new Postgres from a folder of programs (`bin` of an installation).

    Args:
        programs: holds `initdb` and `postgres`.
        folder: an empty one, for its files.

    Yields:
        The URL of its empty database `analytics`.
    """
    identity = choose_identity(programs / "postgres")
    data, run = folder / "data", folder / "run"
    for each in (folder, data, run):
        each.mkdir(exist_ok=True)
        identity.own(each)
    made = ("-D", str(data), f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C")
    environment = postgres_environment()
    subprocess.run(identity.command(programs / "initdb", *made), env=environment, cwd="/", check=True)
    options = [word for setting in SETTINGS for word in ("-c", setting)]
    log = (folder / "log").open("wb")
    started = identity.command(programs / "postgres", "-D", str(data), "-k", str(run), *options)
    process = subprocess.Popen(started, env=environment, cwd="/", stdout=log, stderr=log)
    try:
        host = f"host={quote(str(run))}"
        _make_database(process, f"postgresql://{SUPERUSER}@/postgres?{host}")
        yield f"postgresql://{SUPERUSER}@/analytics?{host}"
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)
        log.close()


def _make_database(process: "subprocess.Popen[bytes]", url: str) -> None:
    async def make() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("CREATE DATABASE analytics")
        finally:
            await connection.close()

    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            asyncio.run(make())
        except (OSError, asyncpg.CannotConnectNowError):
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        else:
            return
