"""Which processes of Postgres live in a data folder, and how to end those that their parent left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Collection
from pathlib import Path

import structlog

from storage.postgres.errors import EmbeddedPostgresError

FAST_STOP_S = 6.0
"""What a fast shutdown gets, its checkpoint included; an immediate one costs a recovery at the next start."""
HARD_STOP_S = 6.0
"""Postgres itself kills after 5 s those of its processes that an immediate shutdown leaves."""
POLL_S = 0.02

_log = structlog.get_logger(__name__)


def processes_in(folder: Path) -> list[int]:
    """List the ids of Postgres' processes, the postmaster and its children, whose data folder this is.

    A pid file cannot tell: its number may long belong to another program.
    """
    if not folder.exists():
        return []
    if Path("/proc/self/cwd").exists():
        return [
            int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _lives_in(entry, folder)
        ]
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, check=True, text=True)  # noqa: S607 - where ps is differs
    lines = (line.split(maxsplit=1) for line in listing.stdout.splitlines())
    return [int(pid) for pid, command in lines if "postgres" in command and f"-D {folder} " in f"{command} "]


def end_leftovers(folder: Path, postmaster: int | None) -> None:
    """End the processes that a killed parent left in a data folder, gently first. Call only as the folder's owner.

    Args:
        folder: the data folder.
        postmaster: the pid that its pid file names, which need not be one of them any more.

    Raises:
        EmbeddedPostgresError: one does not end.
    """
    left = processes_in(folder)
    if not left:
        return
    _log.warning("postgres_orphan_found", pids=left)
    if postmaster in left:
        _send([postmaster], signal.SIGINT)
    else:
        _send(left, signal.SIGTERM)
    if _gone(folder, FAST_STOP_S):
        return
    _send(processes_in(folder), signal.SIGQUIT)
    if _gone(folder, HARD_STOP_S):
        return
    _send(processes_in(folder), signal.SIGKILL)
    if not _gone(folder, HARD_STOP_S):
        raise EmbeddedPostgresError(
            f"processes {processes_in(folder)} of an earlier Postgres in {folder} do not end: end them and start again"
        )


def _lives_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "comm").read_text() == "postgres\n" and (process / "cwd").samefile(folder)
    except OSError:
        return False  # it has ended, or is another user's, as whom nothing of ours runs


def _send(pids: Collection[int | None], number: signal.Signals) -> None:
    for pid in pids:
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _gone(folder: Path, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while processes_in(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
