"""One worker: a grpc.aio server with its writer, its reader and its health, started and stopped in order."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from events.normalize import Normalizer
from events.rules.validation import Validator
from runtime.settings import Settings
from server.access.guard import OPEN, Guard
from server.access.jwks import KeySet
from server.access.keyring import Keyring
from server.access.policy import looks_at_credentials, needs_credentials
from server.access.tokens import TokenVerifier
from server.admin.keys import KeyDesk
from server.admin.replay import Replayer
from server.ingest.pipeline import Pipeline, reject_stored
from server.paging import PageTokens
from server.processes.port import PortTakenError
from server.reports.desk import ReportDesk
from server.rpc.admin_service import AdminService
from server.rpc.analytics_service import AnalyticsService
from server.rpc.boundary import Calls, handlers
from server.rpc.health import Health
from server.rpc.key_service import KeyService
from server.rpc.schema_service import SchemaService
from server.schemas.registry import SchemaRegistry
from server.secrets import ADDRESS_PURPOSE, PAGE_TOKEN_PURPOSE, load_secret
from sociallive.analytics.v1 import admin_service_pb2, analytics_service_pb2, key_service_pb2, schema_service_pb2
from storage.batch_store import BatchStore
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.partitions import Partitions
from storage.quarantine import Quarantine
from storage.reader import Reader
from storage.rejections import Rejections
from storage.spool import Spool
from storage.writer import Writer

log = structlog.get_logger(__name__)

ANALYTICS = analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"]
SCHEMAS = schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"]
ADMIN = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]
KEYS = key_service_pb2.DESCRIPTOR.services_by_name["KeyService"]
SERVICES = (ANALYTICS.full_name, SCHEMAS.full_name, ADMIN.full_name, KEYS.full_name)

MAX_STREAMS_PER_CONNECTION = 1_000
"""Concurrent calls of one connection; a client that needs more opens another connection."""
LEAST_PING_INTERVAL_MS = 10_000
"""Clients may send keepalive pings this often, also without a call under way; faster clients are disconnected."""
SERVER_PING_INTERVAL_MS = 60_000
"""The server pings idle connections, so that vanished clients do not hold memory."""
LIGHT_REPORTS = 2
"""Connections besides those of heavy reports, two each, so that a page of events never waits for a funnel."""
SERVER_PING_TIMEOUT_MS = 20_000
MAX_HEADERS_BYTES = 16 * 1024
"""A query of 7,000 bytes beside a token of 4,096 and the names of everything; larger headers are surely refused."""
READ_SIZE_FACTOR = 4
"""Messages up to this many times the limit are read, so that the error can name the limit. gRPC itself refuses larger
ones with a bare RESOURCE_EXHAUSTED."""
ABORT_GRACE_S = 0.5
"""The time that calls that outlast the drain get to handle their cancellation."""


def server_options(settings: Settings) -> list[tuple[str, int]]:
    """List the channel arguments of the server: sizes, keepalive and the shared port."""
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", READ_SIZE_FACTOR * settings.max_message_bytes),
        ("grpc.max_metadata_size", MAX_HEADERS_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * MAX_HEADERS_BYTES),
        ("grpc.max_concurrent_streams", MAX_STREAMS_PER_CONNECTION),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", SERVER_PING_INTERVAL_MS),
        ("grpc.keepalive_timeout_ms", SERVER_PING_TIMEOUT_MS),
    ]


async def run_worker(
    settings: Settings,
    *,
    database_url: str,
    own_socket: Path | None,
    report_ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set.

    Args:
        settings: everything that can be set; the gRPC port must not be 0.
        database_url: a migrated database.
        own_socket: where to listen beside the port that the workers share, for a gateway that chooses among them.
        report_ready: called once this worker serves.
        stop: ends the worker.

    Raises:
        PortTakenError: the port cannot be bound.
    """
    calls = Calls()
    database = await Database.open(database_url, readers=2 * settings.reports_concurrent + LIGHT_REPORTS)
    spool = Spool(settings.spool_folder, max_bytes=settings.spool_max_bytes) if settings.spool_max_bytes else None
    # A connection of their own: keys are read in time, however many reports run.
    keys_database = await Database.open(database_url, readers=1)
    keyring = Keyring(keys_database, settings.data_dir)
    key_set = KeySet(settings.jwt_jwks) if settings.jwt_jwks else None
    guard = _make_guard(settings, keyring, key_set)
    try:
        partitions = Partitions(database)
        # While Postgres is unavailable, events go to the spool, and the writer reads the partitions later.
        with suppress(StorageUnavailableError):
            await partitions.refresh()
        quarantine = Quarantine(max_bytes=settings.quarantine_max_bytes)
        writer = Writer(
            database,
            partitions,
            quarantine,
            spool,
            reject_row=reject_stored,
            connections=settings.writers,
            batch_size=settings.batch_size,
            batch_interval_ms=settings.batch_interval_ms,
        )
        health = Health(SERVICES, takes_events=writer.takes_events)
        replays = BatchStore(database, partitions, quarantine, reject_row=reject_stored)
        services = _make_services(settings, database, writer, replays)
        server = _build_server(settings, calls, guard, health, services)
        _listen(server, settings, own_socket)
        if spool is not None:
            await spool.refresh()
        await health.look(database)
        await keyring.load()
        if key_set is not None:
            await key_set.load()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writer.run())
            watching = tasks.create_task(health.monitor(database, stop))
            reading = tasks.create_task(keyring.run(guard.end_streams))
            fetching = tasks.create_task(key_set.run()) if key_set is not None else None
            await server.start()
            log.info("worker_serving", address=f"{settings.host}:{settings.grpc_port}")
            report_ready()
            await stop.wait()
            await _stop(settings, server, health, calls, writer)
            await replays.close()
            watching.cancel()
            reading.cancel()
            if fetching is not None:
                fetching.cancel()
        await keyring.flush()
    finally:
        await database.close()
        await keys_database.close()
        if spool is not None:
            await spool.close()
    log.info("worker_stopped")


def _make_guard(settings: Settings, keyring: Keyring, key_set: KeySet | None) -> Guard:
    if not looks_at_credentials(settings):
        log.warning("auth_off", because="ANALYTICS_AUTH=off: everybody who reaches this server may do everything")
        return OPEN
    tokens = None
    if key_set is not None:
        tokens = TokenVerifier(
            key_set,
            issuer=settings.jwt_issuer or "",
            audience=settings.jwt_audience or "",
            scope_claim=settings.jwt_scope_claim,
        )
    return Guard(keyring, tokens, required=needs_credentials(settings))


def _make_services(
    settings: Settings, database: Database, writer: Writer, replays: BatchStore
) -> Sequence[tuple[ServiceDescriptor, object]]:
    """Build the servicer of each service; all of them validate events by one set of rules."""
    validator = Validator()
    secret = load_secret(settings)
    tokens = PageTokens(secret.derive_key(PAGE_TOKEN_PURPOSE))
    normalizer = Normalizer(
        ip_hash_key=secret.derive_key(ADDRESS_PURPOSE),
        retention_raw_days=settings.retention_raw_days,
        schema_sunset_days=settings.schema_sunset_days,
        validator=validator,
    )
    pipeline = Pipeline(normalizer, writer, now=_now)
    registry = SchemaRegistry(validator.catalogue, sunset_days=settings.schema_sunset_days)
    rejections = Rejections(database)
    desk = ReportDesk(Reader(database), now=_now, concurrent=settings.reports_concurrent)
    replayer = Replayer(rejections, normalizer, replays, tokens=tokens, now=_now)
    return (
        (ANALYTICS, AnalyticsService(pipeline, desk, tokens)),
        (SCHEMAS, SchemaService(registry, pipeline)),
        (ADMIN, AdminService(rejections, replayer, tokens=tokens, now=_now)),
        (KEYS, KeyService(KeyDesk(database, now=_now))),
    )


def _build_server(
    settings: Settings,
    calls: Calls,
    guard: Guard,
    health: Health,
    services: Sequence[tuple[ServiceDescriptor, object]],
) -> grpc.aio.Server:
    server = grpc.aio.server(options=server_options(settings))
    server.add_generic_rpc_handlers(
        tuple(
            handlers(service, servicer, calls, guard, max_message_bytes=settings.max_message_bytes)
            for service, servicer in services
        )
    )
    add_HealthServicer_to_server(health.servicer, server)
    if not needs_credentials(settings):
        reflection.enable_server_reflection((*SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    return server


def _listen(server: grpc.aio.Server, settings: Settings, own_socket: Path | None) -> None:
    """Bind the shared port and, where there is one, this worker's own socket; a stale one in its place is replaced.

    Raises:
        PortTakenError: one of them cannot be bound.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    addresses = [f"{host}:{settings.grpc_port}", *([f"unix:{own_socket}"] if own_socket else [])]
    for address in addresses:
        try:
            bound = server.add_insecure_port(address)
        except RuntimeError as exc:
            raise PortTakenError(
                f"cannot listen on {address}: another program uses it, or it is not an address of this machine"
            ) from exc
        if not bound:
            raise PortTakenError(f"cannot listen on {address}")


async def _stop(settings: Settings, server: grpc.aio.Server, health: Health, calls: Calls, writer: Writer) -> None:
    """Stop in order: NOT_SERVING, no new calls, waiting calls finish while the writer runs, last flush."""
    log.info("worker_draining", calls=calls.under_way)
    await health.drain()
    left = await calls.drain(settings.drain_s)
    if left:
        log.warning("calls_cut_off", calls=left, after_s=settings.drain_s)
    await server.stop(grace=ABORT_GRACE_S)
    await writer.stop()


def _now() -> datetime:
    return datetime.now(UTC)
