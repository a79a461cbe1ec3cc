"""The reasons of errors, as errors.proto publishes them: what each means for a caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf.descriptor import EnumValueDescriptor

from sociallive.analytics.v1 import errors_pb2

ERROR: Any = errors_pb2.error  # the generated stub names another type than types-protobuf asks for
PREFIX = "ERROR_REASON_"
NONE = errors_pb2.ErrorReason.ERROR_REASON_UNSPECIFIED

HTTP_STATUSES: Mapping[grpc.StatusCode, HTTPStatus] = MappingProxyType(
    {
        grpc.StatusCode.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
        grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
        grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
        grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
        grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
        grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
        grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
        grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
        grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
        grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
        grpc.StatusCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
        grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    }
)
"""The HTTP status to which the gateway's transcoder maps each code, as google/rpc/code.proto recommends."""

BROKEN_CONNECTIONS: frozenset[grpc.StatusCode] = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""The codes that gRPC itself sets for a call without a response: the server is unavailable, was killed, or did not
respond in time. Such a status has no ErrorInfo and the outcome is unknown; resending the same event ids is safe."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason of errors.

    Attributes:
        name: in UPPER_SNAKE, as callers see it.
        code: the status code of a call that fails so.
        http_status: the same over REST.
        retryable: whether sending the same again can succeed; exactly then the error has a RetryInfo.
    """

    name: str
    code: grpc.StatusCode
    http_status: HTTPStatus
    retryable: bool


def _read_reasons() -> dict[str, Reason]:
    codes = {code.value[0]: code for code in grpc.StatusCode}
    found = {}
    for value in errors_pb2.ErrorReason.DESCRIPTOR.values:
        policy: Any = value.GetOptions().Extensions[ERROR]
        if policy.code:
            code, name = codes[policy.code], name_of(value)
            status = HTTPStatus(policy.http_status) if policy.http_status else HTTP_STATUSES[code]
            found[name] = Reason(name, code, status, policy.retryable)
    return found


def name_of(value: EnumValueDescriptor) -> str:
    """Return the name of a value of ErrorReason as callers see it: without its prefix."""
    return str(value.name).removeprefix(PREFIX)


REASONS: Mapping[str, Reason] = MappingProxyType(_read_reasons())
"""The reasons for which a call can fail, by name."""
IN_ANSWERS: frozenset[str] = frozenset(
    name_of(value) for value in errors_pb2.ErrorReason.DESCRIPTOR.values if value.number != NONE
) - frozenset(REASONS)
"""Reasons that only appear inside a response."""
