"""The service as a whole: database, migrations, workers and jobs, started and stopped in order by one parent."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from gateway.envoy_process import EnvoyMissingError, find_envoy
from gateway.runner import choose_port
from runtime.settings import Settings
from runtime.supervision import (
    Child,
    ChildFailedError,
    keep_running,
    python_module,
    stop_on_signals,
)
from server.addresses import callable_address
from server.metrics import serve_metrics
from server.port import reserve_port
from server.program import program_command
from storage.database import MAX_DELAY_S, Address, Database, wait_until_ready
from storage.embedded import EmbeddedPostgres
from storage.errors import EmbeddedPostgresError, StorageUnavailableError
from storage.migrate import migrate

log = structlog.get_logger(__name__)

POSTGRES_POLL_S = 0.2
BORROWED_POLL_S = 1.0
"""How soon a service notices that the one whose Postgres it uses has stopped; looking takes two small files."""
RESTART_WAIT_S = 5.0
"""What keeps Postgres from starting, as a full disk does, seldom passes sooner."""
LONGEST_RETRY_S = 1.25 * MAX_DELAY_S
"""The longest pause between two attempts at a database that is away: jitter adds a quarter."""
READ_WAIT_S = 5.0
"""How long a command that somebody watches waits for a database that is away."""
JOBS_GRACE_S = 2.0
"""A job's transaction rolls back when it is cut off, and the next run repeats it: there is little to wait for."""


async def run_service(settings: Settings, *, complete: bool) -> None:
    """Run everything until SIGTERM or SIGINT, and leave nothing behind.

    Args:
        settings: everything that can be set.
        complete: whether jobs and gateway run, too, beside the server.

    Raises:
        PortTakenError: the gRPC port is in use.
        GatewayFailedError: the gateway's port is in use.
        SettingsError: the host is unknown or not this machine's.
        StorageRefusedError: the database refuses us, or is too new or too old.
        EmbeddedPostgresError: the embedded Postgres does not start.
        ChildFailedError: a worker ended before it served.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    if complete:
        settings = choose_gateway(settings)
    with reserve_port(settings.host, settings.grpc_port) as port:
        async with _run_database(settings, stop, wait_s=None) as (database_url, shared):
            if not stop.is_set():
                await migrate(database_url)
                database = describe_database(settings) + (", shared with another service" if shared else "")
                await _serve(settings, port, database_url, stop, database=database, complete=complete)
    log.info("service_stopped")


@asynccontextmanager
async def provide_database(
    settings: Settings, stop: asyncio.Event, *, wait_s: float | None = READ_WAIT_S
) -> AsyncIterator[str]:
    """Yield the URL of a database that answers: the given one, or the embedded one, which runs as long as this.

    Args:
        settings: which database.
        stop: ends the waiting early.
        wait_s: how long to wait for a database that is away; None for as long as it takes.

    Raises:
        StorageUnavailableError: it stayed away for `wait_s`.
        StorageRefusedError: the database refuses us, for which no waiting would help.
        EmbeddedPostgresError: the embedded Postgres does not start.
    """
    async with _run_database(settings, stop, wait_s=wait_s) as (url, _):
        yield url


def describe_database(settings: Settings) -> str:
    """Name the database for people, without credentials: "the embedded Postgres in /srv/analytics/.analytics"."""
    if settings.database_url is None:
        return f"the embedded Postgres in {settings.data_dir.resolve()}"
    return f"the database {Address(settings.database_url).where}"


@asynccontextmanager
async def _run_database(
    settings: Settings, stop: asyncio.Event, *, wait_s: float | None
) -> AsyncIterator[tuple[str, bool]]:
    """Do as `provide_database` says, and yield beside the URL whether another service runs the embedded Postgres."""
    if settings.database_url is not None:
        await _wait_for_database(settings.database_url, stop, wait_s)
        yield settings.database_url, False
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    # One thread for its whole life: Postgres is told to stop when the thread that started it ends.
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
    why = "it does not answer"

    def tell(exc: StorageUnavailableError) -> None:
        nonlocal why
        why = _why_away(exc)
        # Whoever waits for ever should be seen to; a command that does not ends with a message of its own.
        level = logging.WARNING if wait_s is None else logging.INFO
        log.log(level, "database_away", database=where, error=why, trying_again_within_s=LONGEST_RETRY_S)

    waiting = asyncio.create_task(wait_until_ready(url, on_retry=tell))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((waiting, stopping), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    gave_up = not waiting.done()
    if gave_up:
        waiting.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    try:
        await waiting
    except asyncio.CancelledError:
        if not gave_up:
            raise
        if not stop.is_set():
            raise StorageUnavailableError(f"the database {where} has been away for {wait_s:g} s: {why}") from None


def _why_away(exc: StorageUnavailableError) -> str:
    """Say why a database is away as the system says it, without numbers and without advice for a person."""
    cause = exc.__cause__
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return str(cause) or type(cause).__name__


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
            log.error("postgres_moved", remedy="start this service again: its workers look in the old place")
        ours = postgres.owned


async def _serve(
    settings: Settings, port: int, database_url: str, stop: asyncio.Event, *, database: str, complete: bool
) -> None:
    """Run the metrics and the children until `stop`."""
    connections = await Database.open(database_url, readers=1)
    try:
        with serve_metrics(
            connections, settings.spool_folder, host=settings.host, port=settings.metrics_port
        ) as metrics_port:
            places = {"gRPC": callable_address(settings.host, port)}
            if complete:
                places["gateway"] = _describe_gateway(settings)
            if metrics_port:
                places["metrics"] = f"http://{callable_address(settings.host, metrics_port)}/metrics"
            places["database"] = database
            await _run_children(settings, port, database_url, stop, places, complete=complete)
    finally:
        await connections.close()


async def _run_children(
    settings: Settings,
    port: int,
    database_url: str,
    stop: asyncio.Event,
    places: Mapping[str, str],
    *,
    complete: bool,
) -> None:
    """Run workers, jobs and gateway until `stop`; say so when all of them are ready."""
    environment = {
        "DATABASE_URL": database_url,
        "GRPC_PORT": str(port),
        "ANALYTICS_DATA_DIR": str(settings.data_dir.resolve()),
    }
    children = [
        (
            Child(name, python_module("server", "worker", "--name", name, "--ready-fd", "{ready_fd}"), environment),
            settings.drain_s,
        )
        for name in (f"worker-{number}" for number in range(1, settings.workers + 1))
    ]
    if complete:
        arguments = python_module("server", "jobs", "--ready-fd", "{ready_fd}")
        children.append((Child("jobs", arguments, environment), JOBS_GRACE_S))
    gateway = None
    if complete and settings.gateway != "off":
        arguments = python_module("server", "gateway", "--ready-fd", "{ready_fd}")
        servers = {"PORT": str(settings.port), "ANALYTICS_UPSTREAMS": callable_address(settings.host, port)}
        gateway = Child("gateway", arguments, environment | servers)
        children.append((gateway, settings.drain_s))
    failures: list[ChildFailedError] = []
    ready = [asyncio.Event() for _ in children]
    # The gateway lets its callers finish while the servers still serve.
    gateway_gone = asyncio.Event() if gateway else stop

    async def keep(child: Child, grace_s: float, child_ready: asyncio.Event) -> None:
        try:
            until = stop if child is gateway else gateway_gone
            await keep_running(child, ready=child_ready, stop=until, grace_s=grace_s)
        except ChildFailedError as exc:
            failures.append(exc)
            stop.set()
        if child is gateway:
            gateway_gone.set()

    async with asyncio.TaskGroup() as tasks:
        announcing = tasks.create_task(_announce(settings, places, ready))
        running = [
            tasks.create_task(keep(child, grace_s, child_ready))
            for (child, grace_s), child_ready in zip(children, ready, strict=True)
        ]
        await asyncio.wait(running)
        announcing.cancel()
    if failures:
        raise failures[0]


def choose_gateway(settings: Settings) -> Settings:
    """Settle whether the gateway runs, and on which port, before anything is started.

    Raises:
        GatewayFailedError: its port cannot be had.
    """
    if settings.gateway == "off":
        return settings
    try:
        find_envoy()
    except EnvoyMissingError as exc:
        log.warning("gateway_off", because=str(exc))
        return replace(settings, gateway="off")
    return replace(settings, port=choose_port(settings.host, settings.port))


def _describe_gateway(settings: Settings) -> str:
    if settings.gateway != "off":
        return f"http://{callable_address(settings.host, settings.port)}"
    try:
        find_envoy()
    except EnvoyMissingError as exc:
        return f"off: {exc}"
    return "off: ANALYTICS_GATEWAY says so"


async def _announce(settings: Settings, places: Mapping[str, str], ready: list[asyncio.Event]) -> None:
    """Print where everything is once every child is ready; each line can be used as it is printed."""
    for event in ready:
        await event.wait()
    log.info("service_serving", grpc=places["gRPC"], host=settings.host, workers=settings.workers)
    lines = (
        "Social Live Analytics is serving",
        *(f"  {name:9} {place}" for name, place in places.items()),
        f"  health    {program_command()} health --address {places['gRPC']}",
        "  stop      Ctrl-C",
    )
    print("\n".join(lines), flush=True)  # noqa: T201 - this is what the operator waits for
