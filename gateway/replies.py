"""What the gateway says by itself, in the one shape of errors: {"code", "reason", "message", "violations"}."""

from http import HTTPStatus
from typing import Any

SAID_BY_ENVOY = "%LOCAL_REPLY_BODY%"

REPLIES: dict[int, tuple[str, str, str]] = {
    400: ("INVALID_ARGUMENT", "BAD_REQUEST", f"the request cannot be read as it stands: mend it. {SAID_BY_ENVOY}"),
    404: ("NOT_FOUND", "NO_SUCH_PATH", "there is no such path: GET /openapi.json lists those that there are"),
    405: ("UNIMPLEMENTED", "METHOD_NOT_ALLOWED", "this path takes other methods: the header `allow` names them"),
    408: (
        "DEADLINE_EXCEEDED",
        "REQUEST_TOO_SLOW",
        "the request did not arrive in time: send it again, with its event ids",
    ),
    413: ("OUT_OF_RANGE", "BODY_TOO_LARGE", "the body is too large: send fewer events at once"),
    415: (
        "INVALID_ARGUMENT",
        "NOT_JSON",
        "the body must be JSON, plain or gzipped: send it with content-type: application/json",
    ),
    431: ("OUT_OF_RANGE", "HEADERS_TOO_LARGE", "the request's headers are too large or too many"),
    500: (
        "INTERNAL",
        "GATEWAY_FAILED",
        "the gateway could not handle the answer: sending the same event ids again is safe",
    ),
    503: ("UNAVAILABLE", "SERVER_AWAY", "no server answers just now: send the same event ids again a little later"),
    504: (
        "DEADLINE_EXCEEDED",
        "TOO_SLOW",
        "the answer took too long: ask for less; sending the same event ids again is safe",
    ),
}
"""By HTTP status: code, reason, message."""

OTHERWISE = ("UNKNOWN", "REFUSED_BY_GATEWAY", f"the gateway does not take such a request: mend it. {SAID_BY_ENVOY}")
"""For the statuses that Envoy alone knows a use for: 403 to an upgrade, 426 to HTTP/1.0."""

RETRY_AFTER_S = 1
"""A worker that died is back sooner."""


def local_replies() -> list[dict[str, Any]]:
    """Build the mappers of Envoy's local replies, first match first: one a status, and one for all other errors."""
    return [*(_mapper("EQ", status, *reply) for status, reply in REPLIES.items()), _mapper("GE", 400, *OTHERWISE)]


def _mapper(comparison: str, status: int, code: str, reason: str, message: str) -> dict[str, Any]:
    limit = {
        "op": comparison,
        "value": {"default_value": status, "runtime_key": f"gateway.reply_{comparison}_{status}"},
    }
    mapper: dict[str, Any] = {
        "filter": {"status_code_filter": {"comparison": limit}},
        "body_format_override": {
            "json_format": {"code": code, "reason": reason, "message": message, "violations": []},
            "content_type": "application/json",
        },
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        mapper["headers_to_add"] = [
            {
                "header": {"key": "retry-after", "value": str(RETRY_AFTER_S)},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ]
    return mapper
