"""The service as a whole: database, migrations, workers and jobs, started and stopped in order by one parent."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import structlog

from runtime.settings import Settings
from runtime.supervision import (
    Child,
    ChildFailedError,
    keep_running,
    python_module,
    stop_on_signals,
)
from server.metrics import serve_metrics
from server.worker import PortTakenError
from storage.database import Database, wait_until_ready
from storage.embedded import EmbeddedPostgres
from storage.errors import EmbeddedPostgresError, StorageUnavailableError
from storage.migrate import migrate

log = structlog.get_logger(__name__)

POSTGRES_POLL_S = 0.2
JOBS_GRACE_S = 2.0
"""A job's transaction rolls back when it is cut off, and the next run repeats it: there is little to wait for."""


async def run_service(settings: Settings, *, with_jobs: bool) -> None:
    """Run everything until SIGTERM or SIGINT, and leave nothing behind.

    Raises:
        PortTakenError: the gRPC port is in use.
        StorageRefusedError: the database refuses us, or is too new or too old.
        EmbeddedPostgresError: the embedded Postgres does not start.
        ChildFailedError: a worker ended before it served.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    with reserve_port(settings.host, settings.grpc_port) as port:
        async with provide_database(settings, stop) as database_url:
            if not stop.is_set():
                await migrate(database_url)
                await _serve(settings, port, database_url, stop, with_jobs=with_jobs)
    log.info("service_stopped")


@contextmanager
def reserve_port(host: str, port: int) -> Iterator[int]:
    """Hold the port for the workers, which share it, and yield its number.

    Raises:
        PortTakenError: somebody listens there already; another instance of this service counts, although its
            workers would share the port with ours without a complaint.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe, socket.socket(family) as reserved:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
            chosen: int = probe.getsockname()[1]
            probe.close()
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind((host, chosen))
        except OSError as exc:
            raise PortTakenError(
                f"cannot listen on {host}:{port}: {exc.strerror}; stop what listens there, or set GRPC_PORT"
            ) from exc
        yield chosen


@asynccontextmanager
async def provide_database(settings: Settings, stop: asyncio.Event) -> AsyncIterator[str]:
    """Yield the URL of a database that answers: the given one, or the embedded one, which runs as long as this.

    A database that is not there yet is waited for until `stop` is set; one that refuses us is not.

    Raises:
        StorageRefusedError: the database refuses us.
        EmbeddedPostgresError: the embedded Postgres does not start.
    """
    if settings.database_url is not None:
        await _wait_for_database(settings.database_url, stop)
        yield settings.database_url
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
                yield url
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        finally:
            await loop.run_in_executor(keeper, postgres.stop)


async def _wait_for_database(url: str, stop: asyncio.Event) -> None:
    """Wait until the database answers or `stop` is set."""

    def warn(exc: StorageUnavailableError) -> None:
        log.warning("database_away", error=str(exc))

    waiting = asyncio.create_task(wait_until_ready(url, on_retry=warn))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not waiting.done():
        waiting.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    try:
        await waiting
    except asyncio.CancelledError:
        if not stop.is_set():
            raise


async def _keep_postgres(postgres: EmbeddedPostgres, keeper: ThreadPoolExecutor) -> None:
    """Start Postgres again whenever it dies."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(POSTGRES_POLL_S)
        if not postgres.owned or postgres.poll() is None:
            continue
        log.error("postgres_died", code=postgres.poll())
        try:
            await loop.run_in_executor(keeper, postgres.start)
            log.info("postgres_restarted")
        except EmbeddedPostgresError as exc:
            log.error("postgres_not_restarted", error=str(exc))  # noqa: TRY400 - the message is the whole story


async def _serve(settings: Settings, port: int, database_url: str, stop: asyncio.Event, *, with_jobs: bool) -> None:
    """Run the metrics and the children until `stop`."""
    database = await Database.open(database_url, readers=1)
    try:
        with serve_metrics(
            database, settings.spool_folder, host=settings.host, port=settings.metrics_port
        ) as metrics_port:
            addresses = {"gRPC": f"{settings.host}:{port}"}
            if metrics_port:
                addresses["metrics"] = f"http://{settings.host}:{metrics_port}/metrics"
            await _run_children(settings, port, database_url, stop, addresses, with_jobs=with_jobs)
    finally:
        await database.close()


async def _run_children(
    settings: Settings,
    port: int,
    database_url: str,
    stop: asyncio.Event,
    addresses: Mapping[str, str],
    *,
    with_jobs: bool,
) -> None:
    """Run workers and jobs until `stop`; say so when all of them are ready."""
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
    if with_jobs:
        arguments = python_module("server", "jobs", "--ready-fd", "{ready_fd}")
        children.append((Child("jobs", arguments, environment), JOBS_GRACE_S))
    failures: list[ChildFailedError] = []
    ready = [asyncio.Event() for _ in children]

    async def keep(child: Child, grace_s: float, child_ready: asyncio.Event) -> None:
        try:
            await keep_running(child, ready=child_ready, stop=stop, grace_s=grace_s)
        except ChildFailedError as exc:
            failures.append(exc)
            stop.set()

    async with asyncio.TaskGroup() as tasks:
        announcing = tasks.create_task(_announce(settings, addresses, ready))
        running = [
            tasks.create_task(keep(child, grace_s, child_ready))
            for (child, grace_s), child_ready in zip(children, ready, strict=True)
        ]
        await asyncio.wait(running)
        announcing.cancel()
    if failures:
        raise failures[0]


async def _announce(settings: Settings, addresses: Mapping[str, str], ready: list[asyncio.Event]) -> None:
    """Print the addresses once every child is ready."""
    for event in ready:
        await event.wait()
    log.info("service_serving", grpc=addresses["gRPC"], workers=settings.workers)
    database = "your Postgres (DATABASE_URL)" if settings.database_url else f"embedded Postgres in {settings.data_dir}"
    lines = (
        "Social Live Analytics is serving",
        *(f"  {name:9} {address}" for name, address in addresses.items()),
        f"  database  {database}",
        f"  health    analytics health --address {addresses['gRPC']}",
        "  stop      Ctrl-C",
    )
    print("\n".join(lines), flush=True)  # noqa: T201 - this is what the operator waits for
