"""The gateway's own error answers, in the common form of errors: {"code", "reason", "message", "violations"}."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

SAID_BY_ENVOY = "%LOCAL_REPLY_BODY%"

REPLIES: dict[int, tuple[str, str, str]] = {
    400: ("INVALID_ARGUMENT", "BAD_REQUEST", f"the request is malformed: correct it. {SAID_BY_ENVOY}"),
    404: ("NOT_FOUND", "NO_SUCH_PATH", "there is no such path: see GET /openapi.json for the list"),
    405: (
        "UNIMPLEMENTED",
        "METHOD_NOT_ALLOWED",
        "this path does not take this method: the header `allow` lists those that it takes",
    ),
    408: (
        "DEADLINE_EXCEEDED",
        "REQUEST_TOO_SLOW",
        "the request did not arrive in time: send it again with the same event ids",
    ),
    413: ("OUT_OF_RANGE", "BODY_TOO_LARGE", "the body is too large: send fewer events at once"),
    414: ("OUT_OF_RANGE", "QUERY_TOO_LONG", "the query is longer than 7,000 bytes: ask for less in one call"),
    415: (
        "INVALID_ARGUMENT",
        "NOT_JSON",
        "the body must be JSON, plain or gzipped: send it with content-type: application/json",
    ),
    429: (
        "RESOURCE_EXHAUSTED",
        "TOO_MANY_REQUESTS",
        "too many requests came from this address: send the same request again a little later",
    ),
    431: (
        "OUT_OF_RANGE",
        "HEADERS_TOO_LARGE",
        "the request's headers are too large or too many: send fewer or shorter ones",
    ),
    500: (
        "INTERNAL",
        "GATEWAY_FAILED",
        "the gateway could not process the response: sending the same event ids again is safe",
    ),
    503: ("UNAVAILABLE", "SERVER_AWAY", "no server is available: send the same event ids again a little later"),
    504: (
        "DEADLINE_EXCEEDED",
        "TOO_SLOW",
        "the response took too long: request less; sending the same event ids again is safe",
    ),
}
"""By HTTP status: code, reason, message."""

OTHERWISE = ("UNKNOWN", "REFUSED_BY_GATEWAY", f"the gateway does not accept this request: correct it. {SAID_BY_ENVOY}")
"""For statuses that only Envoy uses: 403 to an upgrade, 426 to HTTP/1.0."""

RETRIED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses after which the same request can succeed; exactly these have `retry-after`."""
RETRY_AFTER_S = 1
"""A worker that died is restarted within this time."""

EXPOSED_HEADERS = "grpc-status, grpc-message, grpc-status-details-bin, retry-after, x-request-id, allow"
"""The response headers that a page may read; those of gRPC are for gRPC-web."""


def local_replies(origins: Sequence[str]) -> list[dict[str, Any]]:
    """Build the mappers of Envoy's local replies, first match first: one per status, and one for all other errors.

    Each is there twice, first with the headers of CORS for the origins whose pages may call: Envoy's CORS filter sees
    only requests that are routed to a server.
    """
    mappers = [*(_mapper("EQ", status, *reply) for status, reply in REPLIES.items()), _mapper("GE", 400, *OTHERWISE)]
    readable = [*mappers, {"filter": _status_filter("LE", HTTPStatus.OK)}]
    return [*(_readable_by_pages(mapper, origins) for mapper in readable if origins), *mappers]


def _readable_by_pages(mapper: dict[str, Any], origins: Sequence[str]) -> dict[str, Any]:
    """Narrow a mapper to requests of pages that may call, and let them read the response."""
    listed = "|".join(".*" if origin == "*" else re.escape(origin) for origin in origins)
    origin = {"header_filter": {"header": {"name": "origin", "string_match": {"safe_regex": {"regex": listed}}}}}
    return {
        **mapper,
        "filter": {"and_filter": {"filters": [mapper["filter"], origin]}},
        "headers_to_add": [
            *mapper.get("headers_to_add", ()),
            _header("access-control-allow-origin", "%REQ(ORIGIN)%"),
            _header("access-control-expose-headers", EXPOSED_HEADERS),
        ],
    }


def _mapper(comparison: str, status: int, code: str, reason: str, message: str) -> dict[str, Any]:
    mapper: dict[str, Any] = {
        "filter": _status_filter(comparison, status),
        "body_format_override": {
            "json_format": {"code": code, "reason": reason, "message": message, "violations": []},
            "content_type": "application/json",
        },
    }
    if status in RETRIED:
        mapper["headers_to_add"] = [_header("retry-after", str(RETRY_AFTER_S))]
    return mapper


def _status_filter(comparison: str, status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"gateway.reply_{comparison}_{status}"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
