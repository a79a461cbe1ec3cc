"""The configuration of Envoy: the template of this room, filled from the settings."""

import base64
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from gateway import headers
from gateway.certificates import transport_socket
from gateway.replies import EXPOSED_HEADERS, local_replies
from gateway.rest import ADMINISTRATIVE, SERVICES, descriptor_set
from gateway.routes import ADMIN, SERVER, build_routes
from runtime.addresses import LOOPBACK, is_loopback
from runtime.settings import Settings
from runtime.variables import UNIX

MAX_CONNECTIONS = 20_000
"""Idle connections cost some 10 KB each; more callers than this come through a load balancer."""
MAX_HEAP_BYTES = 1 << 30
"""Above 95 % of it, requests are refused with 503."""
ENVELOPE_BYTES = 1024
"""The room that a message needs beside its body: the content type, and the values of the path and the query. So the
server accepts every size that the gateway lets pass."""
HEALTH_INTERVAL_S = 1
REQUESTS_PER_ADDRESS = 1_000
"""A second; an office behind one address has some hundred pages that send events."""
MAX_ADDRESSES = 20_000
"""Addresses whose requests are counted; as many as connections."""
TAKES_EVENTS = "ingest"
"""The name of the health service by which servers are chosen: one without its database still accepts events."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one Envoy listens, and what it reads.

    Attributes:
        host: the address to listen on.
        port: not 0.
        admin_port: the port on loopback for operators; None for none.
        certificates: the folder of its certificates, as gateway/certificates.py writes them; None without TLS.
        socket: the path of the socket for its supervisor.
    """

    host: str
    port: int
    admin_port: int | None
    certificates: Path | None
    socket: Path


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The servers behind a gateway, each HOST:PORT or unix:PATH.

    Attributes:
        servers: as callers reach them.
        admin: their admin ports; empty where this gateway has none itself.
    """

    servers: tuple[str, ...]
    admin: tuple[str, ...] = ()


def render(settings: Settings, place: Place, upstreams: Upstreams) -> str:
    """Write the configuration of an Envoy as YAML."""
    clusters = {SERVER: upstreams.servers, ADMIN: upstreams.admin}
    listeners = [_public_listener(settings, place)]
    if place.admin_port is not None and upstreams.admin:
        listeners.append(_admin_listener(settings, place.admin_port))
    return Template(_text("template/envoy.yaml")).substitute(
        _json(
            admin_socket=str(place.socket),
            max_connections=MAX_CONNECTIONS,
            max_heap_bytes=MAX_HEAP_BYTES,
        ),
        listeners="".join(listeners),
        clusters="".join(_cluster(name, found) for name, found in clusters.items() if found),
    )


def _public_listener(settings: Settings, place: Place) -> str:
    return _listener(
        settings,
        "gateway",
        place.host,
        place.port,
        cors_origins=settings.cors_origins,
        transport_socket=transport_socket(place.certificates, asks_clients=settings.tls_client_ca_file is not None),
        with_reflection=is_loopback(place.host),
    )


def _admin_listener(settings: Settings, port: int) -> str:
    """Write the door of operators: on loopback in plain text, and for no page but its own."""
    return _listener(
        settings,
        "gateway_admin",
        LOOPBACK,
        port,
        cors_origins=(),
        transport_socket=None,
        with_reflection=True,
        administrative=True,
    )


def _listener(
    settings: Settings,
    name: str,
    host: str,
    port: int,
    *,
    cors_origins: tuple[str, ...],
    transport_socket: dict[str, Any] | None,
    with_reflection: bool,
    administrative: bool = False,
) -> str:
    origins = [_origin(text) for text in cors_origins]
    per_address = 0 if administrative else address_limit(settings)
    services = [*SERVICES, *(ADMINISTRATIVE if administrative else ())]
    errors_lua = _text("template/errors.lua")
    request_lua = errors_lua + Template(_text("template/request.lua")).substitute(query=headers.QUERY)
    return Template(_text("template/listener.yaml")).substitute(
        _json(
            name=name,
            host=host,
            port=port,
            transport_socket=transport_socket,
            max_body_bytes=settings.max_message_bytes - ENVELOPE_BYTES,
            trusted_hops=settings.trusted_hops,
            limited_percent=100 if per_address else 0,
            per_address=max(1, per_address),
            max_addresses=MAX_ADDRESSES,
            local_replies=local_replies(cors_origins),
            errors_lua=errors_lua,
            request_lua=request_lua,
            head_lua=request_lua + _text("template/head.lua"),
            health_lua=_text("template/health.lua"),
            descriptors=base64.b64encode(descriptor_set(services)).decode(),
            services=[service.full_name for service in services],
            not_begun_header=headers.NOT_BEGUN,
            cors_origins=origins,
            exposed_headers=EXPOSED_HEADERS,
            routes=build_routes(
                openapi=_text("openapi.json"),
                origins=origins,
                with_reflection=with_reflection,
                administrative=administrative,
            ),
        )
    )


def address_limit(settings: Settings) -> int:
    """Return how many requests a second the gateway takes from one address; 0 for any number.

    On loopback all callers have one address, so that there is no limit unless one is set.
    """
    if settings.requests_per_address is not None:
        return settings.requests_per_address
    return 0 if is_loopback(settings.host) else REQUESTS_PER_ADDRESS


def _cluster(name: str, upstreams: tuple[str, ...]) -> str:
    several = len(upstreams) > 1
    return Template(_text("template/cluster.yaml")).substitute(
        _json(
            name=name,
            upstreams=[_endpoint(text) for text in upstreams],
            # Names may stand for other addresses later; sockets stay where they are, and Envoy resolves none.
            discovery="STATIC" if upstreams[0].startswith(UNIX) else "STRICT_DNS",
            health_checks=[_health_check()] if several else [],
            outlier_detection=_outlier_detection() if several else {},
        )
    )


def _json(**values: Any) -> dict[str, str]:
    """Write values for a template: JSON is YAML too."""
    return {name: json.dumps(value) for name, value in values.items()}


def _text(name: str) -> str:
    return files("gateway").joinpath(name).read_text()


def _origin(text: str) -> dict[str, Any]:
    return {"safe_regex": {"regex": ".*"}} if text == "*" else {"exact": text}


def _endpoint(text: str) -> dict[str, Any]:
    host, _, port = text.rpartition(":")
    address = (
        {"pipe": {"path": text.removeprefix(UNIX)}}
        if text.startswith(UNIX)
        else {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
    )
    return {"endpoint": {"address": address}}


def _health_check() -> dict[str, Any]:
    return {
        "timeout": "2s",
        "interval": f"{HEALTH_INTERVAL_S}s",
        "no_traffic_interval": f"{HEALTH_INTERVAL_S}s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": TAKES_EVENTS},
    }


def _outlier_detection() -> dict[str, Any]:
    """Eject a server that cannot be reached; for one that answers UNAVAILABLE, its health check decides."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "base_ejection_time": "5s",
        "max_ejection_time": "30s",
        "max_ejection_percent": 50,
    }
