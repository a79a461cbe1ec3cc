"""A process that owns an embedded Postgres, and how tests look at it: `python -m tests.integration.postgres_owner DIR`.

Prints one line of JSON when Postgres is ready, and stops it when its standard input ends.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from storage.embedded import EmbeddedPostgres
from storage.embedded.places import PidFile
from storage.embedded.processes import processes_in
from storage.postgres.errors import EmbeddedPostgresError

ROOT = Path(__file__).parents[2]
PATIENCE_S = 15.0
"""Long enough for a loaded machine; a test that needs it fails."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Such a process, seen from a test."""

    process: "subprocess.Popen[str]"
    url: str
    owned: bool
    postmaster: int
    error: str
    uid: int

    def finish(self) -> int:
        """Let it stop Postgres and end; return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)

    def kill(self) -> None:
        """Kill it without warning."""
        self.process.kill()
        self.process.wait(30)


@contextmanager
def owner(data_dir: Path, *, prefix: Sequence[str] = ()) -> Iterator[Owner]:
    """Start such a process and wait until Postgres is ready; whatever happens, it has ended afterwards.

    Args:
        data_dir: where Postgres lives.
        prefix: a command that runs the command after it, such as the launcher.
    """
    with start_owner(data_dir, prefix=prefix) as process:
        yield greet(process)


@contextmanager
def start_owner(data_dir: Path, *, prefix: Sequence[str] = ()) -> Iterator["subprocess.Popen[str]"]:
    """Start such a process without waiting for it."""
    with subprocess.Popen(
        [*prefix, sys.executable, "-m", __name__, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def greet(process: "subprocess.Popen[str]") -> Owner:
    """Wait until such a process has Postgres ready."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return Owner(process, **json.loads(line))
    raise AssertionError(f"the process ended with {process.wait()}")


async def ask(url: str, *statements: str) -> object:
    """Run statements on a connection of its own; return the last one's first value."""
    connection = await asyncpg.connect(url)
    try:
        values = [await connection.fetchval(statement) for statement in statements]
        return values[-1]
    finally:
        await connection.close()


def wait_until_gone(folder: Path) -> None:
    """Wait until no process of Postgres lives in a data folder."""
    deadline = time.monotonic() + PATIENCE_S
    while processes_in(folder):
        assert time.monotonic() < deadline, "processes of Postgres are left"
        time.sleep(0.02)


def postmaster(data_dir: Path) -> int:
    """Read the pid of the server in a data directory."""
    noted = PidFile.read(data_dir / "postgres")
    assert noted is not None
    return noted.pid


def main() -> None:
    """Own a Postgres until standard input ends."""
    data_dir = Path(sys.argv[1])
    postgres = EmbeddedPostgres(data_dir)
    error = ""
    try:
        postgres.start()
    except EmbeddedPostgresError as exc:
        error = str(exc)
    noted = None if error else PidFile.read(data_dir / "postgres")
    facts = {"url": postgres.url, "owned": postgres.owned, "postmaster": noted.pid if noted else 0}
    print(json.dumps({**facts, "error": error, "uid": os.geteuid()}), flush=True)  # noqa: T201 - what the test waits for
    sys.stdin.read()
    postgres.stop()


if __name__ == "__main__":
    main()
