"""Reads the error of a call: whether to send the same again, when, or in smaller pieces."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
BROKEN_CONNECTIONS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""The codes that gRPC itself sets for a call without an answer. Sending the same event ids again is safe."""
CREDENTIAL_CODES = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
"""The codes of a missing, wrong or insufficient key. It is no fault of the events, which stay queued."""
SPLIT_CODES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.INTERNAL,
    }
)
"""The codes of a refusal that one event, or the size of the request, may be the cause of."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed.

    Attributes:
        reason: of its ErrorInfo, or else the name of its status code.
        message: for people.
        is_retryable: whether sending the same again may succeed.
        retry_after_s: how long the service asks to wait.
        is_splittable: whether parts of the request may succeed.
        is_of_credentials: whether the service does not accept the key.
    """

    reason: str
    message: str
    is_retryable: bool
    retry_after_s: float
    is_splittable: bool
    is_of_credentials: bool = False


def read_failure(error: grpc.RpcError) -> Failure:
    """Read the error by the rules of docs/errors.md: retry with RetryInfo, if no server answered, or with a new key."""
    call: Any = error
    code, reason, retry_after_s = call.code(), "", None
    for detail in _details(call.trailing_metadata() or ()):
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            retry_after_s = max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    is_of_credentials = code in CREDENTIAL_CODES
    return Failure(
        reason=reason or code.name,
        message=call.details() or "",
        is_retryable=is_of_credentials or (retry_after_s is not None if reason else code in BROKEN_CONNECTIONS),
        retry_after_s=retry_after_s or 0.0,
        is_splittable=code in SPLIT_CODES,
        is_of_credentials=is_of_credentials,
    )


def _details(metadata: Iterable[tuple[str, str | bytes]]) -> Iterable[Any]:
    for key, value in metadata:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except ValueError:  # a proxy's bytes; the code says enough
                return ()
    return ()
