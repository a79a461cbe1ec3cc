"""The service as a whole: database, migrations, workers and jobs, started and stopped in order by one parent."""

import asyncio
from collections.abc import Mapping
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
from server.database import describe_database, run_database
from server.metrics import serve_metrics
from server.port import reserve_port
from server.program import program_command
from server.secrets import SECRET_VARIABLE, agree_on_secret
from storage.database import Database
from storage.migrate import migrate

log = structlog.get_logger(__name__)

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
        SecretMismatchError: the service's secret is not the one of the database.
        ChildFailedError: a worker ended before it served.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    if complete:
        settings = choose_gateway(settings)
    with reserve_port(settings.host, settings.grpc_port) as port:
        async with run_database(settings, stop, wait_s=None) as (database_url, shared):
            if not stop.is_set():
                await migrate(database_url)
                settings = await _settle_secret(settings, database_url)
                database = describe_database(settings) + (", shared with another service" if shared else "")
                await _serve(settings, port, database_url, stop, database=database, complete=complete)
    log.info("service_stopped")


async def _settle_secret(settings: Settings, database_url: str) -> Settings:
    """See that the service's secret is the one of the database, and give it to every process.

    Raises:
        SecretMismatchError: it is not.
    """
    database = await Database.open(database_url, readers=1)
    try:
        secret = await agree_on_secret(settings, database, describe_database(settings))
    finally:
        await database.close()
    return replace(settings, ip_hash_key=secret.text)


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
        # A worker that is started again has the secret that was checked, whatever became of the file.
        SECRET_VARIABLE: settings.ip_hash_key or "",
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
