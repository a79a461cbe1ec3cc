"""The database of a program: the configured one, or the embedded one, which it runs while it needs it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import structlog

from runtime.settings import Settings
from storage.embedded import EmbeddedPostgres
from storage.postgres.database import MAX_DELAY_S, Address, wait_until_ready, why_away
from storage.postgres.errors import EmbeddedPostgresError, StorageUnavailableError

log = structlog.get_logger(__name__)

POSTGRES_POLL_S = 0.2
BORROWED_POLL_S = 1.0
"""How often a service checks whether the service whose Postgres it uses still runs; a check reads two small files."""
RESTART_WAIT_S = 5.0
"""Causes that keep Postgres from starting, such as a full disk, are seldom gone sooner."""
LONGEST_RETRY_S = 1.25 * MAX_DELAY_S
"""The longest pause between two attempts at a database that is unavailable: jitter adds a quarter."""


@asynccontextmanager
async def provide_database(settings: Settings, stop: asyncio.Event, *, wait_s: float | None) -> AsyncIterator[str]:
    """Yield the URL of a database that answers: the given one, or the embedded one, which runs while the context lasts.

    Args:
        settings: which database.
        stop: ends the waiting early.
        wait_s: how long to wait for a database that is unavailable; None for as long as it takes.

    Raises:
        StorageUnavailableError: it stayed away for `wait_s`.
        StorageRefusedError: the database refuses us, and waiting would not help.
        EmbeddedPostgresError: the embedded Postgres does not start.
    """
    async with run_database(settings, stop, wait_s=wait_s) as (url, _):
        yield url


def describe_database(settings: Settings) -> str:
    """Name the database for people, without credentials: "the embedded Postgres in /srv/analytics/.analytics"."""
    if settings.database_url is None:
        return f"the embedded Postgres in {settings.data_dir.resolve()}"
    return f"the database {Address(settings.database_url).where}"


@asynccontextmanager
async def run_database(
    settings: Settings, stop: asyncio.Event, *, wait_s: float | None
) -> AsyncIterator[tuple[str, bool]]:
    """Work like `provide_database`, and also yield whether another service runs the embedded Postgres."""
    if settings.database_url is not None:
        await _wait_for_database(settings.database_url, stop, wait_s)
        yield settings.database_url, False
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    # One thread for its whole life: Postgres stops when the thread that started it ends.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="postgres") as keeper:
        loop = asyncio.get_running_loop()
        try:
            url = await loop.run_in_executor(keeper, postgres.start)
            log.info("postgres_started", data_dir=str(settings.data_dir), owned=postgres.owned)
            watch = asyncio.create_task(_keep_postgres(postgres, keeper))
            try:
                yield url, not postgres.owned
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        finally:
            await loop.run_in_executor(keeper, postgres.stop)


async def _wait_for_database(url: str, stop: asyncio.Event, wait_s: float | None) -> None:
    """Wait until the database answers or `stop` is set.

    Raises:
        StorageUnavailableError: it did not answer for `wait_s`.
    """
    where = Address(url).where

    def tell(exc: StorageUnavailableError) -> None:
        # Somebody should look at a service that waits without limit; a command ends with a message of its own.
        level = logging.WARNING if wait_s is None else logging.INFO
        log.log(level, "database_away", database=where, error=why_away(exc), trying_again_within_s=LONGEST_RETRY_S)

    waiting = asyncio.create_task(wait_until_ready(url, on_retry=tell, timeout_s=wait_s))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if waiting.done():
        stopping.cancel()
        await waiting
    else:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def _keep_postgres(postgres: EmbeddedPostgres, keeper: ThreadPoolExecutor) -> None:
    """Start Postgres again whenever it dies, and take it over when the service that ran it has stopped."""
    loop = asyncio.get_running_loop()
    ours, url = postgres.owned, postgres.url
    while True:
        await asyncio.sleep(POSTGRES_POLL_S if ours else BORROWED_POLL_S)
        code = postgres.poll()
        if postgres.owned and code is None:
            continue
        if postgres.owned:
            log.error("postgres_died", code=code)
        try:
            # Of a server that another service runs, this finds out whether it still does.
            await loop.run_in_executor(keeper, postgres.start)
        except EmbeddedPostgresError as exc:
            log.error("postgres_not_restarted", error=str(exc), trying_again_in_s=RESTART_WAIT_S)  # noqa: TRY400 - the message is the whole story
            await asyncio.sleep(RESTART_WAIT_S)
            continue
        if ours:
            log.info("postgres_restarted", owned=postgres.owned)
        elif postgres.owned:
            log.warning("postgres_taken_over", because="the service that ran it has stopped")
        if postgres.url != url:
            url = postgres.url
            log.error("postgres_moved", remedy="restart this service: its workers still use the old socket")
        ours = postgres.owned
