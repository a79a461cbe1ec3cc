"""What can go wrong with the spool, and which of SQLite's errors mean that a file is damaged."""

import sqlite3
from typing import ClassVar

from storage.errors import StorageUnavailableError


class SpoolFullError(StorageUnavailableError):
    """The spool holds as much as it may; the same events are worth sending again when it has been drained."""

    reason: ClassVar[str] = "SPOOL_FULL"


class SpoolUnwritableError(StorageUnavailableError):
    """The file system does not take what the spool writes: it is full, read-only or broken, or the spool is closed."""

    reason: ClassVar[str] = "SPOOL_UNWRITABLE"


class DamagedGroupError(Exception):
    """A group is missing, or is not what was written; never leaves the spool."""


_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT})
"""What says nothing about the file: the same read may succeed in a moment."""
_PRIMARY_CODE = 0xFF
"""The bits of an extended result code that hold the primary one."""


def is_passing(exc: sqlite3.Error) -> bool:
    """Tell an error of the moment from one that will come again at the next read."""
    return _code(exc) in _PASSING


def is_damage(exc: sqlite3.Error) -> bool:
    """Tell whether a failed write found a file that is no database any more, rather than a disk that takes no more."""
    return _code(exc) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


def _code(exc: sqlite3.Error) -> int | None:
    code = getattr(exc, "sqlite_errorcode", None)  # missing where Python's own layer raised it
    return None if code is None else code & _PRIMARY_CODE
