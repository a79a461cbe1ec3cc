"""One worker: a grpc.aio server with its writer, its reader and its health, started and stopped in order."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor

from events.columns import columns_of
from events.normalize import Normalizer
from events.rules.validation import Validator
from gateway.rest import ADMINISTRATIVE
from reports.dashboard.reading import DashboardReader
from reports.events.read_ahead import EventPages
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
from server.processes.listening import build_server, listen_for_callers, listen_for_operators
from server.reports.desk import DASHBOARDS, LIGHT_REPORTS, ReportDesk
from server.rpc.admin_service import AdminService
from server.rpc.analytics_service import AnalyticsService
from server.rpc.boundary import Calls, handlers
from server.rpc.health import Health
from server.rpc.key_service import KeyService
from server.rpc.schema_service import SchemaService
from server.schemas.registry import SchemaRegistry
from server.secrets import ADDRESS_PURPOSE, PAGE_TOKEN_PURPOSE, ServiceSecret, load_secret
from sociallive.analytics.v1 import admin_service_pb2, analytics_service_pb2, key_service_pb2, schema_service_pb2
from storage.blocks.codec import ActorHash
from storage.blocks.pseudonyms import PURPOSE, Pseudonyms
from storage.blocks.store import BlockStore
from storage.postgres.database import Database
from storage.quarantine import Quarantine
from storage.rejections import Rejections
from storage.segments.schema import EventColumns
from storage.segments.store import SegmentStore
from storage.spool import Spool
from storage.write.writer import Writer

log = structlog.get_logger(__name__)

ANALYTICS = analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"]
SCHEMAS = schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"]
ADMIN = admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"]
KEYS = key_service_pb2.DESCRIPTOR.services_by_name["KeyService"]
SERVICES = (ANALYTICS.full_name, SCHEMAS.full_name, ADMIN.full_name, KEYS.full_name)

ABORT_GRACE_S = 0.5
"""The time that calls that outlast the drain get to handle their cancellation."""


async def run_worker(
    settings: Settings,
    *,
    database_url: str,
    own_socket: Path | None,
    admin_socket: Path | None,
    report_ready: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set.

    Args:
        settings: everything that can be set; the gRPC port must not be 0.
        database_url: a migrated database.
        own_socket: where to listen beside the port that the workers share, for a gateway that chooses among them.
        admin_socket: where to listen for its admin port; without it, this worker listens on the admin port itself.
        report_ready: called once this worker serves.
        stop: ends the worker.

    Raises:
        PortTakenError: the port cannot be bound.
    """
    calls = Calls()
    database = await Database.open(database_url, readers=settings.reports_concurrent + LIGHT_REPORTS + DASHBOARDS)
    spool = Spool(settings.spool_folder, max_bytes=settings.spool_max_bytes) if settings.spool_max_bytes else None
    # A connection of their own: keys are read in time, however many reports run.
    keys_database = await Database.open(database_url, readers=1)
    keyring = Keyring(keys_database, settings.data_dir)
    key_set = KeySet(settings.jwt_jwks) if settings.jwt_jwks else None
    guard = _make_guard(settings, keyring, key_set)
    try:
        secret = load_secret(settings)
        hash_actor = Pseudonyms(secret.derive_key(PURPOSE), secret.place).of
        quarantine = Quarantine(max_bytes=settings.quarantine_max_bytes)
        writer = Writer(
            database,
            quarantine,
            spool,
            reject_row=reject_stored,
            hash_actor=hash_actor,
            connections=settings.writers,
            batch_size=settings.batch_size,
            batch_interval_ms=settings.batch_interval_ms,
        )
        health = Health(SERVICES, takes_events=writer.takes_events)
        replays = BlockStore(database, quarantine, reject_row=reject_stored, hash_actor=hash_actor)
        validator = Validator()
        segments = SegmentStore(
            database,
            EventColumns.of(columns_of(validator.catalogue)),
            cache_folder=settings.segment_cache_folder,
            cache_bytes=settings.segment_cache_bytes,
        )
        services = _make_services(settings, database, writer, replays, secret, hash_actor, validator, segments)
        servers = _build_servers(settings, calls, guard, health, services)
        listen_for_callers(servers[0], settings, own_socket)
        listen_for_operators(servers[1], settings, admin_socket)
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
            sweeping = tasks.create_task(segments.keep_cache_swept())
            for server in servers:
                await server.start()
            log.info("worker_serving", address=f"{settings.host}:{settings.grpc_port}")
            report_ready()
            await stop.wait()
            await _stop(settings, servers, health, calls, writer)
            await replays.close()
            for task in (watching, reading, sweeping, fetching):
                if task is not None:
                    task.cancel()
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
    return Guard(keyring, tokens, required=needs_credentials(settings), origins=settings.cors_origins)


def _make_services(
    settings: Settings,
    database: Database,
    writer: Writer,
    replays: BlockStore,
    secret: ServiceSecret,
    hash_actor: ActorHash,
    validator: Validator,
    segments: SegmentStore,
) -> Sequence[tuple[ServiceDescriptor, object]]:
    """Build the servicer of each service; all of them validate events by one set of rules."""
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
    desk = ReportDesk(segments.reader, now=_now, concurrent=settings.reports_concurrent)
    dashboards = DashboardReader(database, segments.reader)
    replayer = Replayer(rejections, normalizer, replays, tokens=tokens, now=_now)
    return (
        (ANALYTICS, AnalyticsService(pipeline, desk, dashboards, tokens, EventPages(hash_actor))),
        (SCHEMAS, SchemaService(registry, pipeline)),
        (ADMIN, AdminService(rejections, replayer, tokens=tokens, now=_now)),
        (KEYS, KeyService(KeyDesk(database, now=_now))),
    )


def _build_servers(
    settings: Settings,
    calls: Calls,
    guard: Guard,
    health: Health,
    services: Sequence[tuple[ServiceDescriptor, object]],
) -> tuple[grpc.aio.Server, grpc.aio.Server]:
    """Make the server of every caller, and that of operators, which has every service.

    No header or key opens an administrative service at the first: it is not there.
    """
    built = {
        service.full_name: handlers(service, servicer, calls, guard, max_message_bytes=settings.max_message_bytes)
        for service, servicer in services
    }
    administrative = {service.full_name for service in ADMINISTRATIVE}
    public = [name for name in built if name not in administrative]
    return (
        build_server(settings, health, public, [built[name] for name in public]),
        build_server(settings, health, list(built), list(built.values())),
    )


async def _stop(
    settings: Settings, servers: Sequence[grpc.aio.Server], health: Health, calls: Calls, writer: Writer
) -> None:
    """Stop in order: NOT_SERVING, no new calls, waiting calls finish while the writer runs, last flush."""
    log.info("worker_draining", calls=calls.under_way)
    await health.drain()
    left = await calls.drain(settings.drain_s)
    if left:
        log.warning("calls_cut_off", calls=left, after_s=settings.drain_s)
    await asyncio.gather(*(server.stop(grace=ABORT_GRACE_S) for server in servers))
    await writer.stop()


def _now() -> datetime:
    return datetime.now(UTC)
