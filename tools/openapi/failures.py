"""What a call over REST can fail for, by its path: the reasons of errors.proto, grouped by their HTTP status."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from server.rpc.error_reasons import REASONS
from tools.openapi.answers import Json, reference

OF_EVERY_CALL = (
    "BAD_REQUEST",
    "INVALID_REQUEST",
    "FOREIGN_CALL",
    "REFUSED_BY_GATEWAY",
    "REQUEST_TOO_SLOW",
    "TOO_MANY_REQUESTS",
    "HEADERS_TOO_LARGE",
    "QUERY_TOO_LONG",
    "INTERNAL",
    "GATEWAY_FAILED",
    "SERVER_FAILED",
    "NO_CREDENTIAL",
    "BAD_CREDENTIAL",
    "MISSING_SCOPE",
    "NOT_ALLOWED_BY_KEY",
    "TOO_MANY_FAILURES",
    "KEYS_UNAVAILABLE",
    "DRAINING",
    "INTERRUPTED",
    "SERVER_AWAY",
    "TOO_SLOW",
)
OF_A_BODY = ("BODY_TOO_LARGE", "NOT_JSON")
OF_THE_DATABASE = ("STORAGE_UNAVAILABLE", "STORAGE_REFUSED")
OF_A_QUOTA = ("QUOTA_EXCEEDED",)
OF_STORING = (
    *OF_THE_DATABASE,
    *OF_A_QUOTA,
    "STORAGE_INTERRUPTED",
    "OVERLOADED",
    "SPOOL_FULL",
    "SPOOL_UNWRITABLE",
)
OF_ONE_EVENT = ("INVALID_EVENT", "EVENT_TOO_OLD", "SUNSET_VERSION", "ID_CONFLICT", "REFUSED_BY_DATABASE")
OF_A_REPORT = (*OF_THE_DATABASE, *OF_A_QUOTA, "REPORTS_BUSY", "DEADLINE")
OF_A_PAGE = ("INVALID_PAGE_TOKEN",)

OF_METHODS = {
    "Track": (*OF_STORING, *OF_ONE_EVENT),
    "TrackEvents": (*OF_STORING, "INVALID_EVENT", "TOO_MANY_EVENTS"),
    "Validate": (),
    "ListSchemas": (),
    "GetSchema": ("UNKNOWN_EVENT_TYPE", "UNKNOWN_VERSION"),
}
"""Beside those of every call; what is not here is a report."""
OF_HEALTH = ("REQUEST_TOO_SLOW", "TOO_MANY_REQUESTS", "HEADERS_TOO_LARGE", "SERVER_AWAY")


def reasons_of(method: MethodDescriptor, *, has_body: bool) -> list[str]:
    """List the reasons that a call of a method can fail for."""
    pages = OF_A_PAGE if "page_token" in method.input_type.fields_by_name else ()
    own = OF_METHODS.get(method.name, (*OF_A_REPORT, *pages))
    return [*OF_EVERY_CALL, *(OF_A_BODY if has_body else ()), *own]


def failures(reasons: Iterable[str]) -> dict[str, Json]:
    """Write the responses of a call that fails, by status."""
    by_status: dict[int, list[str]] = {}
    for name in reasons:
        by_status.setdefault(REASONS[name].http_status.value, []).append(name)
    return {str(status): _failure(names) for status, names in sorted(by_status.items())}


def error_schema() -> Json:
    """Write the schema that all errors have."""
    texts = {
        "field": "The field at fault, as the caller wrote it.",
        "rule": "The rule that it breaks, in UPPER_SNAKE.",
        "description": "What was found, what is allowed and what to do.",
    }
    codes = sorted({reason.code.name for reason in REASONS.values()})
    return {
        "type": "object",
        "description": "The body of every answer but 200.",
        "required": ["code", "reason", "message", "violations"],
        "properties": {
            "code": {"type": "string", "enum": codes, "description": "The name of the gRPC status code."},
            "reason": reference("ErrorReason"),
            "message": {"type": "string", "description": "What happened and what to do."},
            "violations": {
                "type": "array",
                "description": "What is wrong with the request, field by field.",
                "items": {
                    "type": "object",
                    "required": list(texts),
                    "properties": {name: {"type": "string", "description": text} for name, text in texts.items()},
                },
            },
        },
    }


def reason_schema(meanings: Iterable[tuple[str, str]]) -> Json:
    """Write the schema of `reason`, with what each means."""
    listed = [(name, " ".join(meaning.split())) for name, meaning in meanings if name in REASONS]
    return {
        "type": "string",
        "description": "Why the call failed.\n\n" + "\n".join(f"- `{name}`: {meaning}" for name, meaning in listed),
        "enum": [name for name, _ in listed],
    }


def _failure(names: list[str]) -> Json:
    retryable = [name for name in names if REASONS[name].retryable]
    schema: dict[str, Any] = {"allOf": [reference("Error"), {"properties": {"reason": {"enum": names}}}]}
    response: Json = {
        "description": f"{', '.join(names)}: see the schema ErrorReason.",
        "content": {"application/json": {"schema": schema}},
    }
    if retryable:
        always = len(retryable) == len(names)
        response["headers"] = {
            "retry-after": {
                "description": "How many seconds to wait before the same request is sent again."
                + ("" if always else f" Only with {', '.join(retryable)}."),
                "required": always,
                "schema": {"type": "string", "pattern": "^[0-9]+$"},
            }
        }
    return response
