"""Translates errors into gRPC status, by the reasons that errors.proto publishes with their codes."""

from collections.abc import Sequence

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from events.violations import Violation
from runtime.errors import AnalyticsError
from server.access.errors import QuotaExceededError
from server.ingest.errors import EventRejectedError
from server.ingest.tally import fitting
from server.reports.errors import QuestionError
from server.rpc.error_reasons import REASONS, Reason

DOMAIN = "analytics.sociallive"
STATUS_DETAILS = "grpc-status-details-bin"
MAX_MESSAGE_BYTES = 384
"""A message is sent twice, once percent-encoded with up to three bytes for one. Together with the violations it must
stay below 8 KiB: above that, gRPC clients drop the metadata of a response, more often the larger it is, and report
RESOURCE_EXHAUSTED."""
MAX_VIOLATIONS_BYTES = 3_840
"""A third more in base64. Enough for some 30 violations of ordinary fields; only absurdly long names and paths need
more."""

INTERNAL = REASONS["INTERNAL"]


def status_of(exc: Exception) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """Translate an error into the status that the caller sees.

    An error without a public reason is a bug of the service: its text is not sent, the caller gets INTERNAL.
    """
    reason = _reason_of(exc)
    if reason is INTERNAL or not isinstance(exc, AnalyticsError):
        return _status(
            INTERNAL, "an internal error occurred and was logged; sending the same event ids again is safe", []
        )
    details: list[Message] = []
    if isinstance(exc, EventRejectedError):
        details.append(_bad_request(exc.rejected.violations))
    if isinstance(exc, QuestionError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=exc.field, description=exc.description)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(exc, QuotaExceededError):
        exceeded = error_details_pb2.QuotaFailure.Violation(subject=exc.subject, description=exc.quota)
        details.append(error_details_pb2.QuotaFailure(violations=[exceeded]))
    if reason.retryable:
        delay = Duration()
        delay.FromMilliseconds(round(1000 * exc.retry_after_s))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(reason, _cut(str(exc)), details)


def _reason_of(exc: Exception) -> Reason:
    """Find the reason that callers see: that of the error, or of the nearest class above it that has a public one."""
    if isinstance(exc, EventRejectedError):
        names = [exc.rejected.reason]
    else:
        names = [kind.reason for kind in type(exc).__mro__ if issubclass(kind, AnalyticsError)]
    return next((REASONS[name] for name in names if name in REASONS), INTERNAL)


def told_of(violations: Sequence[Violation]) -> Sequence[Violation]:
    """Select the violations that fit in a response; if some are left out, a last one says so."""
    return fitting(violations, MAX_VIOLATIONS_BYTES)[0]


def _cut(message: str) -> str:
    text = message.encode()
    return message if len(text) <= MAX_MESSAGE_BYTES else text[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "..."


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description, reason=v.rule)
            for v in told_of(violations)
        ]
    )


def _status(reason: Reason, message: str, details: Sequence[Message]) -> tuple[grpc.StatusCode, status_pb2.Status]:
    code = reason.code
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in (error_details_pb2.ErrorInfo(reason=reason.name, domain=DOMAIN), *details):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return code, status
