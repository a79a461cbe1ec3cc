"""Connections: where the database is, one pool for readers, a connection of its own for each writer."""

import asyncio
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from runtime.fault import name_fault
from storage.postgres.errors import (
    StorageRefusedError,
    StorageUnavailableError,
    UnsupportedPostgresError,
    translated,
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection of one's own, as writers have."""
PooledConnection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
"""A connection lent by the readers' pool."""

OLDEST_POSTGRES = 15
"""The oldest server that the statements are tested with; 14 ends in 2026."""
READER_CONNECTIONS = 4
"""Reports that one process runs at once; more would only slow each other and the writers."""
CONNECT_TIMEOUT_S = 5.0
"""A server that takes longer to greet is as good as away."""
WRITE_TIMEOUT_S = 30.0
"""No write takes so long but over a network that has silently gone."""
IDLE_IN_TRANSACTION_S = 60
"""A stopped process must not keep its locks."""
RELEASE_TIMEOUT_S = 1.0
"""A connection that is not ready again by then is not worth waiting for."""
READER_SETTINGS = {
    "default_transaction_read_only": "on",
    # Compiling a plan takes longer than running it.
    "jit": "off",
    # A window of days is that many times 24 hours, whatever zone the database has.
    "TimeZone": "UTC",
}
READER_IDLE_S = 60.0
"""Readers that nobody needs give their memory back to Postgres."""
FIRST_DELAY_S = 0.25
MAX_DELAY_S = 5.0
"""Retries start quickly, since a database that starts beside us needs a second, and end where they burden nobody."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is. Shows itself without user and password.

    Example:
        >>> Address("postgresql://user:secret@db.example:5433/events?sslmode=require")
        Address(where='db.example:5433/events')
    """

    url: str = field(repr=False)
    where: str = field(init=False)
    """`host:port/database` (or `socket folder/database`), fit for logs and terminals."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", _describe(self.url))

    async def connect(
        self, role: str, *, settings: Mapping[str, str] | None = None, command_timeout_s: float | None = None
    ) -> Connection:
        """Open one connection.

        Args:
            role: what it is for; `analytics <role>` is its application_name.
            settings: parameters of the session.
            command_timeout_s: how long any one command may take.

        Raises:
            StorageRefusedError: the URL cannot be understood.
            Exception: asyncpg's and the system's own; the caller translates them, for operators or for outsiders.
        """
        try:
            return await asyncpg.connect(
                self.url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=command_timeout_s,
                server_settings=_session(role, settings or {}),
            )
        except ssl.SSLError:
            raise  # some of these are ValueErrors too
        except ValueError:
            # The parser's message quotes parts of the URL, perhaps of the password: neither shown nor chained.
            raise _url_refused() from None


class Database:
    """The connections of one process to its database.

    Nothing connects before it is first needed, so a `Database` can be made while Postgres is away.
    """

    def __init__(self, address: Address, readers: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.address = address
        self._readers = readers
        self._pulse: Connection | None = None
        self._pulse_lock = asyncio.Lock()

    @classmethod
    async def open(cls, url: str, *, readers: int = READER_CONNECTIONS) -> Self:
        """Make the pools for the database at `url`.

        Args:
            url: as DATABASE_URL, or as `EmbeddedPostgres.start` returns it.
            readers: how many reader connections there may be at once.

        Raises:
            StorageRefusedError: the URL cannot be understood.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=0,
                max_size=readers,
                max_inactive_connection_lifetime=READER_IDLE_S,
                timeout=CONNECT_TIMEOUT_S,
                server_settings=_session("reader", READER_SETTINGS),
            )
        except ValueError:
            raise _url_refused() from None
        return cls(Address(url), pool)

    @asynccontextmanager
    async def acquire_reader(self, timeout_s: float) -> AsyncIterator[PooledConnection]:
        """Lend a read-only connection whose statements are cancelled when `timeout_s` from now is over.

        Database errors of the body are translated too.

        Raises:
            StorageUnavailableError: no connection became free, or Postgres went away.
            StorageTimeoutError: a statement ran out of time.
            StorageRefusedError: Postgres refuses this service.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        with translated():
            try:
                connection = await self._readers.acquire(timeout=timeout_s)
            except TimeoutError as exc:
                raise StorageUnavailableError("no connection to the database became free in time; try again") from exc
            try:
                # The pool's reset, when the connection comes back, undoes this.
                left_ms = max(1, round(1000 * (deadline - loop.time())))
                await connection.execute("SELECT set_config('statement_timeout', $1, false)", str(left_ms))
                yield connection
            finally:
                # A server that is frozen does not answer the reset either; the pool then throws the connection away.
                with suppress(TimeoutError):
                    await self._readers.release(connection, timeout=RELEASE_TIMEOUT_S)

    async def connect_writer(self) -> Connection:
        """Open a connection for one writer task, which owns and closes it.

        Its commits are durable whatever the role's or the database's defaults are.

        Raises:
            StorageUnavailableError, StorageRefusedError: it cannot be opened.
        """
        with translated():
            return await self.address.connect(
                "writer", settings={"synchronous_commit": "on"}, command_timeout_s=WRITE_TIMEOUT_S
            )

    async def ping(self, timeout_s: float) -> None:
        """Ask Postgres for a sign of life, on a connection kept for this: busy readers are no outage.

        Raises:
            StorageUnavailableError: there was none within `timeout_s`.
            StorageRefusedError: Postgres refuses this service.
        """
        with translated():
            async with asyncio.timeout(timeout_s), self._pulse_lock:
                if self._pulse is None or self._pulse.is_closed():
                    self._pulse = await self.address.connect("health")
                try:
                    await self._pulse.execute("SELECT 1")
                except BaseException:
                    # Whatever broke it, cancellation included: the next ping starts on a fresh connection.
                    self._pulse.terminate()
                    raise

    async def close(self) -> None:
        """Close all that this object opened; queries still running are cut off. May be called twice."""
        if self._pulse is not None:
            self._pulse.terminate()
        self._readers.terminate()


async def wait_until_ready(
    url: str, *, on_retry: Callable[[StorageUnavailableError], None], timeout_s: float | None = None
) -> None:
    """Wait until the database answers, and make sure that it can be used: its version and its encoding.

    Args:
        url: as DATABASE_URL.
        on_retry: called before each wait, to tell somebody why.
        timeout_s: how long to go on trying; without limit where missing, until the caller is cancelled.

    Raises:
        StorageUnavailableError: it stayed away for `timeout_s`.
        StorageRefusedError: wrong password, no such database, encoding other than UTF8: no retry would help.
        UnsupportedPostgresError: the server is too old.
    """
    address = Address(url)
    why = "it does not answer"
    delay_s = FIRST_DELAY_S
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    with translated(address.where):
                        connection = await address.connect("check")
                    break
                except StorageUnavailableError as exc:
                    why = why_away(exc)
                    on_retry(exc)
                    # Jitter: many servers that lost one database should not return in step.
                    await asyncio.sleep(delay_s * random.uniform(0.75, 1.25))  # noqa: S311 - nothing secret about it
                    delay_s = min(2 * delay_s, MAX_DELAY_S)
    except TimeoutError:
        raise StorageUnavailableError(
            f"the database {address.where} has been away for {timeout_s:g} s: {why}"
        ) from None
    try:
        _check_server(connection, address)
    finally:
        connection.terminate()


def why_away(exc: StorageUnavailableError) -> str:
    """Say why a database is away as the system says it; of Postgres's own errors, the type and SQLSTATE."""
    cause = exc.__cause__
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return name_fault(cause) if cause is not None else str(exc)


def _check_server(connection: Connection, address: Address) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST_POSTGRES:
        raise UnsupportedPostgresError(
            f"the database {address.where} runs Postgres {version.major}; this service needs {OLDEST_POSTGRES} or newer"
        )
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise StorageRefusedError(
            f"the database {address.where} has the encoding {encoding}; events need one with UTF8: "
            "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )


def _session(role: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {
        "application_name": f"analytics {role}",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s",
        **settings,
    }


def _url_refused() -> StorageRefusedError:
    return StorageRefusedError(
        "DATABASE_URL cannot be understood; it looks like postgresql://user:password@host:5432/database, "
        "with special characters of user and password percent-encoded"
    )


def _describe(url: str) -> str:
    """Name host, port and database; where an unescaped password might be taken for a host, nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _url_refused() from None
    credentials, _, host = parts.netloc.rpartition("@")
    database = parts.path.lstrip("/")
    if "@" in database or (":" in host and not credentials and "@" in url):
        return "of DATABASE_URL"
    host = host or parse_qs(parts.query).get("host", ["localhost"])[-1]
    return f"{host}/{database}"
