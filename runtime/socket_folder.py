"""Private folders for the unix sockets of one run, removed after it."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from runtime.errors import AnalyticsError

PREFIX = "analytics-run-"
MAX_FOLDER_BYTES = 60
"""Leaves 40 bytes for a socket's name: its path may have 104 bytes (macOS) or 108 (Linux)."""
SHORT = "/tmp"  # noqa: S108 - the folder inside is made new, and private


class SocketFolderError(AnalyticsError):
    """No folder for unix sockets can be made."""

    reason: ClassVar[str] = "SOCKET_FOLDER"


@contextmanager
def socket_folder() -> Iterator[Path]:
    """Make a folder with a short path that only this user may enter (mode 0700), and remove it at the end.

    Folders whose owners were killed before they could do so are removed first: the kernel freed their locks.

    Raises:
        SocketFolderError: no folder can be made.
    """
    usual = tempfile.gettempdir()
    parent = Path(usual if len(os.fsencode(usual)) + len(PREFIX) + len("/12345678") <= MAX_FOLDER_BYTES else SHORT)
    for left in parent.glob(f"{PREFIX}*"):
        _remove_unless_owned(left)
    try:
        folder, lock = _make(parent)
    except OSError as exc:
        raise SocketFolderError(
            f"cannot make a folder for sockets in {parent}: {exc.strerror}; set TMPDIR to another folder"
        ) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Another run may have taken it for a leftover before it was locked.
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _lock(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _lock(folder: Path) -> int:
    """Lock a folder until the descriptor is closed, at the latest when this process ends.

    Raises:
        BlockingIOError: another process has it locked.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _remove_unless_owned(folder: Path) -> None:
    with suppress(OSError):  # it is in use, or gone, or another user's
        if folder.lstat().st_uid != os.geteuid():
            return
        lock = _lock(folder)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
