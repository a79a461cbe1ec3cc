"""The one table from errors to gRPC status, and the only place that knows status codes."""

from collections.abc import Sequence

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from events.violations import Violation
from runtime.errors import AnalyticsError
from server.admin.errors import NoSuchRejectionError
from server.ingest.errors import EventRejectedError, IdConflictError, TooManyEventsError
from server.ingest.tally import fitting
from server.reports.errors import QuestionError, ReportsBusyError
from server.rpc.refusals import DrainingError, MalformedMessageError
from server.schemas.errors import UnknownSchemaError
from storage.errors import StorageRefusedError, StorageTimeoutError, StorageUnavailableError, WriterFullError
from storage.rejections import ReplayedMeanwhileError

DOMAIN = "analytics.sociallive"
RETRY_DELAY_S = 1.0
"""How long a caller should wait before it sends again, where the error does not know better."""
STATUS_DETAILS = "grpc-status-details-bin"
MAX_MESSAGE_BYTES = 384
"""A message travels twice, once with three bytes for one; together with the violations it is to stay below 8 KiB: past
that, clients of gRPC throw the metadata of an answer away, the more often the larger it is, and see
RESOURCE_EXHAUSTED."""
MAX_VIOLATIONS_BYTES = 3_840
"""In base64 a third more. Some 30 violations of ordinary fields; only names and paths that nobody writes in earnest
take up more."""
CODES: dict[type[AnalyticsError], grpc.StatusCode] = {
    EventRejectedError: grpc.StatusCode.INVALID_ARGUMENT,
    IdConflictError: grpc.StatusCode.ALREADY_EXISTS,
    TooManyEventsError: grpc.StatusCode.INVALID_ARGUMENT,
    MalformedMessageError: grpc.StatusCode.INVALID_ARGUMENT,
    QuestionError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownSchemaError: grpc.StatusCode.NOT_FOUND,
    NoSuchRejectionError: grpc.StatusCode.NOT_FOUND,
    ReportsBusyError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    WriterFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DrainingError: grpc.StatusCode.UNAVAILABLE,
    StorageUnavailableError: grpc.StatusCode.UNAVAILABLE,
    ReplayedMeanwhileError: grpc.StatusCode.UNAVAILABLE,
    StorageRefusedError: grpc.StatusCode.UNAVAILABLE,
    StorageTimeoutError: grpc.StatusCode.DEADLINE_EXCEEDED,
}
RETRYABLE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


def status_of(exc: Exception) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """Translate an error into the status that the caller sees.

    An error that is not in the table is a fault of ours: its text stays here, the caller learns INTERNAL.
    """
    code = next((CODES[kind] for kind in type(exc).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)
    if code is grpc.StatusCode.INTERNAL or not isinstance(exc, AnalyticsError):
        return _status(
            grpc.StatusCode.INTERNAL,
            "an internal error: it has been logged; sending the same event ids again is safe",
            [error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)],
        )
    reason = exc.rejected.reason if isinstance(exc, EventRejectedError) else exc.reason
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)]
    if isinstance(exc, EventRejectedError):
        details.append(_bad_request(exc.rejected.violations))
    if isinstance(exc, QuestionError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=exc.field, description=exc.description)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if code in RETRYABLE:
        delay = Duration()
        delay.FromMilliseconds(round(1000 * (exc.retry_after_s if isinstance(exc, WriterFullError) else RETRY_DELAY_S)))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(code, _cut(str(exc)), details)


def told_of(violations: Sequence[Violation]) -> Sequence[Violation]:
    """Choose the violations that an answer has room for; a last one then says that there are more."""
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


def _status(
    code: grpc.StatusCode, message: str, details: Sequence[Message]
) -> tuple[grpc.StatusCode, status_pb2.Status]:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return code, status
