"""The service as a whole: everything that one parent process starts, in order, and stops in the reverse order."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import structlog

from gateway.envoy_process import EnvoyMissingError, find_envoy
from gateway.runner import choose_port
from runtime.addresses import LOOPBACK, callable_address
from runtime.certificates import CertificateFiles
from runtime.outlet import STDOUT, Outlet
from runtime.settings import Settings
from runtime.socket_folder import socket_folder
from runtime.supervised import stop_on_signals
from runtime.supervision import Child, Restarts, python_module
from runtime.variables import UNIX
from server.access.policy import require_safety, trusts_any_database
from server.metrics import serve_metrics
from server.processes.children import run_children
from server.processes.database import describe_database, run_database
from server.processes.port import reserve_port
from server.processes.program import program_command
from server.secrets import SECRET_VARIABLE, ServiceSecret, agree_on_secret
from storage.blocks.pseudonyms import PURPOSE as ACTOR_PURPOSE
from storage.blocks.pseudonyms import Pseudonyms
from storage.keys.table import count_live_keys
from storage.postgres.database import Database
from storage.postgres.errors import translated

log = structlog.get_logger(__name__)

JOBS_GRACE_S = 2.0
"""A job's transaction rolls back when it is cut off, and the next run repeats it: there is little to wait for."""


async def run_service(settings: Settings, *, complete: bool) -> None:
    """Run everything until SIGTERM, SIGINT or SIGHUP, and leave nothing behind.

    Args:
        settings: everything that can be set.
        complete: whether jobs and gateway run, too, beside the server.

    Raises:
        PortTakenError: the gRPC port is in use.
        GatewayFailedError: the gateway's port is in use.
        SettingsError: the host is unknown or not this machine's, or the certificate cannot be used.
        OpenServiceError: other machines could call, without keys or without TLS.
        StorageRefusedError: the database refuses us, or is too new or too old.
        EmbeddedPostgresError: the embedded Postgres does not start.
        SecretMismatchError: the service's secret is not the one of the database.
        ActorKeyError: the database's pseudonyms were made with another secret.
        ChildFailedError: a worker ended before it served.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    CertificateFiles.of(settings)
    if trusts_any_database(settings):
        log.warning("database_not_verified", remedy="add sslmode=verify-full and sslrootcert to DATABASE_URL")
    settings = choose_gateway(settings) if complete else replace(settings, gateway="off")
    restarts: Restarts = Counter()
    # What is entered here is left in the reverse order.
    async with AsyncExitStack() as started:
        port = started.enter_context(reserve_port(settings.host, settings.grpc_port, "GRPC_PORT"))
        settings = replace(settings, grpc_port=port)
        if settings.gateway == "off":
            port = started.enter_context(reserve_port(LOOPBACK, settings.admin_port, "ANALYTICS_ADMIN_PORT"))
            settings = replace(settings, admin_port=port)
        sockets = started.enter_context(socket_folder())
        database_url, is_shared = await started.enter_async_context(run_database(settings, stop, wait_s=None))
        if not stop.is_set():
            # Here, since Alembic and SQLAlchemy take longer to import than all else of many commands.
            from storage.postgres.migrate import migrate  # noqa: PLC0415

            await migrate(database_url)
            database = await Database.open(database_url, readers=1)
            started.push_async_callback(database.close)
            require_safety(settings, live_keys=await count_live_keys(database))
            settings = await _settle_secret(settings, database)
            metrics_port = started.enter_context(
                serve_metrics(
                    database,
                    settings.spool_folder,
                    restarts,
                    host=settings.host,
                    port=settings.metrics_port,
                )
            )
            servers = [*_workers(settings, database_url, sockets), *(_jobs(settings, database_url) if complete else ())]
            # The gateway lets its callers finish while the servers still serve.
            await run_children(
                [servers, _gateway(settings, sockets)],
                stop,
                restarts=restarts,
                when_ready=lambda: _announce(
                    settings, _places(settings, metrics_port, complete=complete, is_shared=is_shared)
                ),
            )
    log.info("service_stopped")


async def _settle_secret(settings: Settings, database: Database) -> Settings:
    """Check that the service's secret belongs to the database, and give it to every process.

    Raises:
        SecretMismatchError: it is not.
        ActorKeyError: the stored pseudonyms were made with another one.
    """
    secret = await agree_on_secret(settings, database, describe_database(settings))
    await _check_pseudonyms(secret, database)
    return replace(settings, ip_hash_key=secret.text)


async def _check_pseudonyms(secret: ServiceSecret, database: Database) -> None:
    with translated():
        connection = await database.connect_writer()
        try:
            await Pseudonyms(secret.derive_key(ACTOR_PURPOSE), secret.place).check(connection)
        finally:
            connection.terminate()


def _workers(settings: Settings, database_url: str, sockets: Path) -> list[Child]:
    """Name the servers; behind a gateway, each also listens on its own socket."""
    return [
        Child(
            name=name,
            arguments=python_module(
                *("cli", "worker", "--name", name, "--ready-fd", "{ready_fd}"),
                *(() if settings.gateway == "off" else _sockets_of(sockets, name)),
            ),
            environment=_environment(settings) | {"DATABASE_URL": database_url},
            grace_s=settings.drain_s,
            silence_s=settings.hang_s,
        )
        for name in _worker_names(settings)
    ]


def _jobs(settings: Settings, database_url: str) -> list[Child]:
    return [
        Child(
            name="jobs",
            arguments=python_module("cli", "jobs", "--ready-fd", "{ready_fd}"),
            environment=_environment(settings) | {"DATABASE_URL": database_url},
            grace_s=JOBS_GRACE_S,
        )
    ]


def _gateway(settings: Settings, sockets: Path) -> list[Child]:
    if settings.gateway == "off":
        return []
    sockets_of = [_sockets_of(sockets, name) for name in _worker_names(settings)]
    return [
        Child(
            name="gateway",
            arguments=python_module("cli", "gateway", "--ready-fd", "{ready_fd}"),
            environment=_environment(settings)
            | {
                "PORT": str(settings.port),
                "ANALYTICS_UPSTREAMS": ",".join(f"{UNIX}{own}" for _, own, _, _ in sockets_of),
                "ANALYTICS_ADMIN_UPSTREAMS": ",".join(f"{UNIX}{admin}" for _, _, _, admin in sockets_of),
            },
            grace_s=settings.drain_s,
            silence_s=settings.hang_s,
        )
    ]


def _environment(settings: Settings) -> dict[str, str]:
    """Return the settings that were decided here and override the environment."""
    return {
        "GRPC_PORT": str(settings.grpc_port),
        "ANALYTICS_ADMIN_PORT": str(settings.admin_port),
        "ANALYTICS_DATA_DIR": str(settings.data_dir.resolve()),
        # A worker that is started again has the secret that was checked, whatever became of the file.
        SECRET_VARIABLE: settings.ip_hash_key or "",
        # What these named was read.
        f"{SECRET_VARIABLE}_FILE": "",
        "DATABASE_URL_FILE": "",
    }


def _worker_names(settings: Settings) -> list[str]:
    return [f"worker-{number}" for number in range(1, settings.workers + 1)]


def _sockets_of(sockets: Path, name: str) -> tuple[str, str, str, str]:
    """Return the options of a worker that say where the gateway finds it, for callers and for operators."""
    return "--socket", str(sockets / f"{name}.sock"), "--admin-socket", str(sockets / f"{name}-admin.sock")


def choose_gateway(settings: Settings) -> Settings:
    """Decide whether the gateway runs, and on which port, before anything is started.

    Raises:
        GatewayFailedError: its port is not free.
    """
    if settings.gateway == "off":
        return settings
    try:
        find_envoy()
    except EnvoyMissingError as exc:
        log.warning("gateway_off", because=str(exc))
        return replace(settings, gateway="off")
    return replace(
        settings,
        port=choose_port(settings.host, settings.port, "PORT"),
        admin_port=choose_port(LOOPBACK, settings.admin_port, "ANALYTICS_ADMIN_PORT"),
    )


def _places(settings: Settings, metrics_port: int, *, complete: bool, is_shared: bool) -> dict[str, str]:
    """Return the address of every part of the service, as clients use it."""
    places = {"gRPC": callable_address(settings.host, settings.grpc_port)}
    if complete:
        places["gateway"] = _describe_gateway(settings)
    places["admin"] = f"{LOOPBACK}:{settings.admin_port}"
    if metrics_port:
        places["metrics"] = f"http://{callable_address(settings.host, metrics_port)}/metrics"
    places["database"] = describe_database(settings) + (", shared with another service" if is_shared else "")
    return places


def _describe_gateway(settings: Settings) -> str:
    if settings.gateway != "off":
        scheme = "http" if settings.tls_cert_file is None else "https"
        return f"{scheme}://{callable_address(settings.host, settings.port)}"
    try:
        find_envoy()
    except EnvoyMissingError as exc:
        return f"off: {exc}"
    return "off: ANALYTICS_GATEWAY says so"


def _announce(settings: Settings, places: Mapping[str, str]) -> None:
    """Print the addresses; each can be used as it is printed."""
    log.info("service_serving", grpc=places["gRPC"], host=settings.host, workers=settings.workers)
    lines = (
        "Social Live Analytics is serving",
        *(f"  {name:9} {place}" for name, place in places.items()),
        f"  health    {program_command()} health --address {places['gRPC']}",
        "  stop      Ctrl-C",
    )
    Outlet(STDOUT).write("\n".join(lines) + "\n")
