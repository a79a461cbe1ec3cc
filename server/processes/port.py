"""The gRPC port: held by the parent process, and shared by its workers."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.addresses import callable_address
from runtime.errors import AnalyticsError
from runtime.settings import SettingsError
from sociallive.analytics.v1 import analytics_service_pb2

OUR_KIND = analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"].full_name
"""The name under which only instances of this service report their health."""
ASK_TIMEOUT_S = 1.0
"""An instance of this service answers in milliseconds."""
FOREIGN_HOST = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""The errors of a host that resolves, but not to an address of this machine."""


class PortTakenError(AnalyticsError):
    """Another program listens on the port."""

    reason = "PORT_TAKEN"


@contextmanager
def reserve_port(host: str, port: int, variable: str) -> Iterator[int]:
    """Hold the port for the workers, which share it, and yield its number.

    Args:
        host: the address to listen on.
        port: 0 picks a free one.
        variable: what sets the port, for the message of an error.

    Raises:
        PortTakenError: another process listens there, even if it is another instance of this service, whose workers
            could share the port with ours.
        SettingsError: the host is unknown or not this machine's.
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
            if isinstance(exc, socket.gaierror) or exc.errno in FOREIGN_HOST:
                raise SettingsError(
                    f"cannot listen on {host}: {exc.strerror}; set ANALYTICS_HOST to an address of this machine, "
                    "or to 0.0.0.0 for all of them"
                ) from exc
            raise PortTakenError(f"cannot listen on {host}:{port}: {_reason(exc, host, port, variable)}") from exc
        yield chosen


def _reason(exc: OSError, host: str, port: int, variable: str) -> str:
    """Say why the port is not free, and what to do."""
    if exc.errno != errno.EADDRINUSE:
        return f"{exc.strerror}; set {variable}"
    status = _instance_status(callable_address(host, port))
    if status is None:
        return f"{exc.strerror}; stop the program that listens there, or set {variable}"
    return f"another instance of this service runs there ({status}); stop it with SIGTERM, or set {variable}"


def _instance_status(address: str) -> str | None:
    """Ask the listener for the health of our service; None if it is another program."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=OUR_KIND), timeout=ASK_TIMEOUT_S)
        except grpc.RpcError:
            return None
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
