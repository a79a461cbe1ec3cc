"""What can go wrong with storage, in words of our own, and the one translation of asyncpg's errors into them."""

import ssl
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import asyncpg

from runtime.errors import AnalyticsError
from runtime.fault import name_fault


class StorageError(AnalyticsError):
    """The root of every error of storage."""

    reason: ClassVar[str] = "STORAGE"


class StorageUnavailableError(StorageError):
    """The database is away, starting, stopping or full; the same call is worth repeating later."""

    reason: ClassVar[str] = "STORAGE_UNAVAILABLE"


class StorageInterruptedError(StorageUnavailableError):
    """The database answers, and did not take this write for now: it ran out of time or memory, or was cancelled.

    Where other writes succeed meanwhile, and this one fails again and again, the write itself is at fault.
    """

    reason: ClassVar[str] = "STORAGE_INTERRUPTED"


class WriterFullError(StorageError):
    """The writer's queue is full; the same call is worth repeating after `retry_after_s`."""

    reason: ClassVar[str] = "OVERLOADED"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageTimeoutError(StorageError):
    """A statement was cancelled because its time was up; asking for less may do."""

    reason: ClassVar[str] = "DEADLINE"


class StorageRefusedError(StorageError):
    """The database answers and refuses us; repeating is of no use before an operator has changed something."""

    reason: ClassVar[str] = "STORAGE_REFUSED"
    retry_after_s = 30.0
    """An operator takes longer than a restart."""


class DatabaseMissingError(StorageError):
    """A command needs a database that exists, and there is none where the settings say."""

    reason: ClassVar[str] = "DATABASE_MISSING"


class NotMigratedError(StorageError):
    """The database has no tables of this service, or those of an older version."""

    reason: ClassVar[str] = "NOT_MIGRATED"


class LeaseTakenError(StorageError):
    """Another process is at the same work; trying again later may do."""

    reason: ClassVar[str] = "LEASE_TAKEN"


class UnsupportedPostgresError(StorageRefusedError):
    """The server is older than what the schema needs."""

    reason: ClassVar[str] = "UNSUPPORTED_POSTGRES"


class DatabaseTooNewError(StorageRefusedError):
    """A newer program has migrated the database; this one must not touch it."""

    reason: ClassVar[str] = "DATABASE_TOO_NEW"


class ForeignTablesError(StorageRefusedError):
    """The database has tables of our names that this service has not made."""

    reason: ClassVar[str] = "FOREIGN_TABLES"


class MigrationFailedError(StorageError):
    """Postgres refuses a statement of a migration; that revision has been rolled back."""

    reason: ClassVar[str] = "MIGRATION_FAILED"


class EmbeddedPostgresError(StorageError):
    """The embedded Postgres cannot run here; the message says why and what to do."""

    reason: ClassVar[str] = "EMBEDDED_POSTGRES"


_PROGRAM = Path(__file__).parent.parent
UNNAMED = "the database"
"""How the database is called where callers from outside may read it: no host, no name."""

_REFUSALS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.DatabaseDroppedError,
    asyncpg.InsufficientPrivilegeError,
    ssl.SSLCertVerificationError,
)
_ABSENCES = (
    OSError,  # refused, reset, no such socket, unknown host; TimeoutError is one too
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # this was the primary until a fail-over
    asyncpg.InternalClientError,  # the server has said goodbye on an idle connection whose end has not been seen yet
)
_CLOSED_WORDS = ("closed", "closing", "released back to the pool")
"""asyncpg reports the use of a connection or pool that went away as a plain InterfaceError; only its text tells."""


def translate(exc: BaseException, where: str | None = None) -> StorageError | None:
    """Translate an asyncpg or operating system error that is about the connection, not about the statement.

    Args:
        exc: what was raised.
        where: `host:port/database` where an operator reads the message, which then also quotes the server; missing
            where callers from outside may read it.

    Returns:
        The error to raise `from exc`, or None when `exc` is about the statement or its data (or no database error).
    """
    if isinstance(exc, StorageError):
        return exc
    subject = f"{UNNAMED} {where}" if where else UNNAMED
    detail = f": {_first_line(exc)}" if where else ""
    if isinstance(exc, _REFUSALS):
        return StorageRefusedError(
            f"{subject} refuses this service{detail}; check the user, password, database and privileges in DATABASE_URL"
        )
    if isinstance(exc, asyncpg.QueryCanceledError):
        return StorageTimeoutError("the query exceeded its time limit; ask for a shorter time range")
    if isinstance(exc, _ABSENCES) or _is_closed(exc):
        return StorageUnavailableError(f"{subject} cannot be reached{detail}; try again")
    return None


def name_error(exc: BaseException) -> str:
    """Name an error for logs: its type and, where Postgres sent it, its SQLSTATE.

    Its text is left out, since it may quote values. An error of our own is named by what caused it.

    Example:
        >>> name_error(asyncpg.DiskFullError("could not extend file"))
        'DiskFullError 53100'
    """
    return name_fault(exc.__cause__ if isinstance(exc, StorageError) and exc.__cause__ is not None else exc)


def locate_error(exc: BaseException) -> str:
    """Name the line of this program in which an error was raised, as in `writer.py:238`.

    For logs in the place of a traceback, which shows the error's text and may show values of variables.
    """
    lines = [
        f"{Path(frame.f_code.co_filename).name}:{line}"
        for frame, line in traceback.walk_tb(exc.__traceback__)
        if Path(frame.f_code.co_filename).is_relative_to(_PROGRAM)
    ]
    return lines[-1] if lines else "unknown"


@contextmanager
def translated(where: str | None = None) -> Iterator[None]:
    """Translate what `translate` knows; everything else passes, cancellation included.

    Example:
        >>> with translated():
        ...     raise ConnectionRefusedError
        Traceback (most recent call last):
        storage.postgres.errors.StorageUnavailableError: the database cannot be reached; try again
    """
    try:
        yield
    except Exception as exc:
        error = translate(exc, where)
        if error is None or error is exc:
            raise
        raise error from exc


def _is_closed(exc: BaseException) -> bool:
    return isinstance(exc, asyncpg.InterfaceError) and any(word in str(exc) for word in _CLOSED_WORDS)


def _first_line(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__).splitlines()[0]
