"""The configuration of Envoy: the template of this room, filled from the settings."""

import base64
import ipaddress
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from gateway import headers
from gateway.replies import EXPOSED_HEADERS, local_replies
from gateway.rest import SERVICES, descriptor_set
from gateway.routes import build_routes
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
TAKES_EVENTS = "ingest"
"""The name of the health service by which servers are chosen: one without its database still accepts events."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one Envoy listens.

    Attributes:
        host: the address to listen on.
        port: not 0.
        admin_socket: the path of the socket for its supervisor.
    """

    host: str
    port: int
    admin_socket: Path


def render(settings: Settings, place: Place, upstreams: tuple[str, ...]) -> str:
    """Write the configuration of an Envoy in front of `upstreams`, each HOST:PORT or unix:PATH, as YAML."""
    origins = [_origin(text) for text in settings.cors_origins]
    several = len(upstreams) > 1
    errors_lua = _text("template/errors.lua")
    request_lua = errors_lua + Template(_text("template/request.lua")).substitute(query=headers.QUERY)
    values: dict[str, Any] = {
        "admin_socket": str(place.admin_socket),
        "max_connections": MAX_CONNECTIONS,
        "max_heap_bytes": MAX_HEAP_BYTES,
        "host": place.host,
        "port": place.port,
        "max_body_bytes": settings.max_message_bytes - ENVELOPE_BYTES,
        "trusted_hops": settings.trusted_hops,
        "local_replies": local_replies(settings.cors_origins),
        "errors_lua": errors_lua,
        "request_lua": request_lua,
        "head_lua": request_lua + _text("template/head.lua"),
        "health_lua": _text("template/health.lua"),
        "descriptors": base64.b64encode(descriptor_set()).decode(),
        "services": [service.full_name for service in SERVICES],
        "not_begun_header": headers.NOT_BEGUN,
        "cors_origins": origins,
        "exposed_headers": EXPOSED_HEADERS,
        "routes": build_routes(
            openapi=_text("openapi.json"), origins=origins, with_reflection=_is_loopback(place.host)
        ),
        "upstreams": [_endpoint(text) for text in upstreams],
        # Names may stand for other addresses later; sockets stay where they are, and Envoy resolves none.
        "discovery": "STATIC" if upstreams[0].startswith(UNIX) else "STRICT_DNS",
        "health_checks": [_health_check()] if several else [],
        "outlier_detection": _outlier_detection() if several else {},
    }
    return Template(_text("template/envoy.yaml")).substitute({name: json.dumps(at) for name, at in values.items()})


def _text(name: str) -> str:
    return files("gateway").joinpath(name).read_text()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
