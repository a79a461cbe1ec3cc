"""The gRPC servers of a worker, and where they listen."""

from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from runtime.addresses import LOOPBACK
from runtime.certificates import CertificateFiles, Certificates
from runtime.settings import Settings
from runtime.variables import UNIX
from server.access.policy import needs_credentials
from server.processes.port import PortTakenError
from server.rpc.health import Health

MAX_STREAMS_PER_CONNECTION = 1_000
"""Concurrent calls of one connection; a client that needs more opens another connection."""
LEAST_PING_INTERVAL_MS = 10_000
"""Clients may send keepalive pings this often, also without a call under way; faster clients are disconnected."""
SERVER_PING_INTERVAL_MS = 60_000
"""The server pings idle connections, so that vanished clients do not hold memory."""
SERVER_PING_TIMEOUT_MS = 20_000
MAX_HEADERS_BYTES = 16 * 1024
"""A query of 7,000 bytes beside a token of 4,096 and the names of everything; larger headers are surely refused."""
READ_SIZE_FACTOR = 4
"""Messages up to this many times the limit are read, so that the error can name the limit. gRPC itself refuses larger
ones with a bare RESOURCE_EXHAUSTED."""


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


def build_server(
    settings: Settings, health: Health, names: Sequence[str], built: Sequence[grpc.GenericRpcHandler]
) -> grpc.aio.Server:
    """Make a server of some services, each named in full, with health; and with reflection where no key is needed."""
    server = grpc.aio.server(options=server_options(settings))
    server.add_generic_rpc_handlers(tuple(built))
    add_HealthServicer_to_server(health.servicer, server)
    if not needs_credentials(settings):
        reflection.enable_server_reflection((*names, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    return server


def listen_for_callers(server: grpc.aio.Server, settings: Settings, own_socket: Path | None) -> None:
    """Bind the port that the workers share and, where there is one, this worker's own socket.

    The port is encrypted where the settings name a certificate. The socket is not: it is in a private folder, and the
    gateway before it has a certificate of its own. A stale socket in its place is replaced.

    Raises:
        PortTakenError: one of them cannot be bound.
        SettingsError: the certificate cannot be used.
    """
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    files = CertificateFiles.of(settings)
    _bind(server, f"{host}:{settings.grpc_port}", server_credentials(files) if files is not None else None)
    if own_socket is not None:
        _bind(server, f"{UNIX}{own_socket}", None)


def listen_for_operators(server: grpc.aio.Server, settings: Settings, own_socket: Path | None) -> None:
    """Bind what the gateway's admin port leads to or, without a gateway, the admin port itself.

    Raises:
        PortTakenError: it cannot be bound.
    """
    _bind(server, f"{UNIX}{own_socket}" if own_socket is not None else f"{LOOPBACK}:{settings.admin_port}", None)


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Make the credentials of a port; each new connection gets the certificate that the files then hold.

    gRPC takes TLS 1.2 and 1.3. Where authorities of clients are set, callers need a certificate of theirs.
    """

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        found = files.refresh()
        return _configuration(found) if found is not None else None

    return grpc.dynamic_ssl_server_credentials(
        _configuration(files.current),
        renewed,  # type: ignore[arg-type]  # None means the configuration of before, as gRPC documents it
        require_client_authentication=bool(files.current.client_ca),
    )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.chain)], root_certificates=certificates.client_ca or None
    )


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> None:
    try:
        bound = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
    except RuntimeError as exc:
        raise PortTakenError(
            f"cannot listen on {address}: another program uses it, or it is not an address of this machine"
        ) from exc
    if not bound:
        raise PortTakenError(f"cannot listen on {address}")
