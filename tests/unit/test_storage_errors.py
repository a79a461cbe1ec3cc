"""How errors of asyncpg and of the system become errors of storage."""

import asyncio
import ssl

import asyncpg
import pytest

from storage.postgres.database import Address
from storage.postgres.errors import (
    StorageError,
    StorageRefusedError,
    StorageTimeoutError,
    StorageUnavailableError,
    translate,
    translated,
)


@pytest.mark.parametrize(
    "exc",
    [
        ConnectionRefusedError(111, "Connection refused"),
        ConnectionResetError(),
        TimeoutError(),
        FileNotFoundError(2, "no socket"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.DiskFullError("could not extend file"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.InterfaceError("cannot call Connection.fetch(): connection has been released back to the pool"),
    ],
    ids=lambda exc: f"{type(exc).__name__} {exc}",
)
def test_what_passes_is_unavailable(exc: Exception) -> None:
    """Whatever may be over in a moment is worth a retry."""
    assert isinstance(translate(exc), StorageUnavailableError)


@pytest.mark.parametrize(
    "exc",
    [
        asyncpg.InvalidPasswordError("password authentication failed"),
        asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry"),
        asyncpg.InvalidCatalogNameError("no such database"),
        asyncpg.InsufficientPrivilegeError("permission denied"),
        ssl.SSLCertVerificationError(1, "self-signed certificate"),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_what_stays_is_refused(exc: Exception) -> None:
    """Whatever needs a person is not worth a retry."""
    assert isinstance(translate(exc), StorageRefusedError)


def test_a_cancelled_statement_is_a_timeout() -> None:
    """A statement's end by its timeout is neither an outage nor a refusal."""
    assert isinstance(translate(asyncpg.QueryCanceledError("statement timeout")), StorageTimeoutError)


@pytest.mark.parametrize(
    "exc",
    [
        asyncpg.UniqueViolationError("duplicate key"),
        asyncpg.UndefinedTableError("no such table"),
        asyncpg.DataError("invalid input"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        ValueError("ours"),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_what_is_about_the_statement_passes(exc: Exception) -> None:
    """Errors of data, of statements and of our own code are not made to look like an outage."""
    assert translate(exc) is None
    with pytest.raises(type(exc)), translated():
        raise exc


def test_a_translated_error_keeps_its_cause_and_is_not_translated_again() -> None:
    """Within nested boundaries the innermost one's words stay."""
    original = ConnectionRefusedError(111, "Connection refused")
    with pytest.raises(StorageError) as caught, translated(), translated("db.example/events"):
        raise original
    assert caught.value.__cause__ is original
    assert str(caught.value) == (
        "the database db.example/events cannot be reached: [Errno 111] Connection refused; try again"
    )


def test_cancellation_passes() -> None:
    """A cancelled task stays cancelled."""
    with pytest.raises(asyncio.CancelledError), translated():
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://user:secret@db.example:5433/events?sslmode=require", "db.example:5433/events"),
        ("postgres://db.example/events", "db.example/events"),
        ("postgresql://user:s@cret@db.example/events", "db.example/events"),
        ("postgresql://user:se%2Fcret@[::1]:5432/events", "[::1]:5432/events"),
        ("postgresql://postgres@/analytics?host=/run/pg&port=5432", "/run/pg/analytics"),
        ("postgresql:///events?password=secret", "localhost/events"),
        ("postgresql://user:se/cret@db.example/events", "of DATABASE_URL"),
        ("postgresql://user:se?cret@db.example/events", "of DATABASE_URL"),
        ("postgresql://user:se#cret@db.example/events", "of DATABASE_URL"),
    ],
)
def test_an_address_shows_the_place_and_no_secret(url: str, where: str) -> None:
    """Host, port and database are shown; where a password might be taken for them, nothing is."""
    address = Address(url)
    assert address.where == where
    assert "cret" not in repr(address)
