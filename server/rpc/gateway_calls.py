"""Calls that come through the API gateway: their caller's address and id, and the JSON form of their errors."""

import json
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from events.violations import Violation
from gateway import headers
from server.access.guard import Presented
from server.ingest.errors import EventRejectedError
from server.reports.errors import QuestionError
from server.rpc.errors import told_of
from server.rpc.refusals import DrainingError, ParameterError

REQUEST_ID = "x-request-id"
AUTHORIZATION = "authorization"
ORIGIN = "origin"
KEY_PARAMETER = "key"
"""The parameter in which pages that can set no header send their public key."""
LONGEST_REQUEST_ID = 128
"""A UUID takes 36; what is longer is cut in the log."""

Context = grpc.aio.ServicerContext[Any, Any]

_headers: ContextVar[dict[str, str | bytes]] = ContextVar("headers")


def read_headers(context: Context) -> None:
    """Read the headers of a call once, for the functions of this module; grpc makes them anew each time it is asked.

    Of a header that was sent several times, the first counts; of `authorization` all, since one of them may be forged.
    """
    received: dict[str, str | bytes] = {}
    for name, value in context.invocation_metadata() or ():
        if name == AUTHORIZATION and name in received:
            received[name] = f"{received[name]!s},{value!s}"
        else:
            received.setdefault(name, value)
    _headers.set(received)


def read_credentials(context: Context, *, from_query: bool) -> Presented:
    """Read what a call shows of its caller.

    Args:
        context: of the call, whose headers were read.
        from_query: whether a key may stand in the query of a REST call; it is taken out of there.
    """
    return Presented(
        header(AUTHORIZATION),
        _take_query_key() if from_query else "",
        header(ORIGIN),
        header(headers.AUTHORITY),
        lambda: _place_of(context),
    )


def _place_of(context: Context) -> str:
    """Name the address of a caller, without its port: that of the connection; over the gateway's socket, what it says.

    Only the gateway of this machine reaches the socket; others who send its header are not believed.
    """
    peer = context.peer()
    said = address_of_caller()
    return said if peer.startswith("unix") and said else peer.rpartition(":")[0]


def _take_query_key() -> str:
    """Take the key out of the query; of several, all of them, which are not a key."""
    query = header(headers.QUERY)
    if f"{KEY_PARAMETER}=" not in query:
        return ""
    parts = query.split("&")
    keys = [part for part in parts if part.startswith(f"{KEY_PARAMETER}=")]
    _headers.get()[headers.QUERY] = "&".join(part for part in parts if part not in keys)
    return ",".join(key.removeprefix(f"{KEY_PARAMETER}=") or "," for key in keys)


def address_of_caller() -> str:
    """Read the address of the gateway's caller, for events that name none; empty for a direct call.

    A direct caller may send the header too: it has the same effect as setting `ip_address` of its events.
    """
    return header(headers.CLIENT_ADDRESS)


def request_id() -> dict[str, str]:
    """Read the request id of a call, as fields of its canonical line; empty if it has none."""
    text = header(REQUEST_ID)
    return {"request_id": text[:LONGEST_REQUEST_ID]} if text else {}


def header(name: str) -> str:
    """Return a header of the call under way; empty where it has none."""
    value = _headers.get({}).get(name, "")
    return value if isinstance(value, str) else ""


async def tell_gateway(exc: Exception, status: status_pb2.Status, context: Context) -> None:
    """Send the gateway the details of an error in headers, because trailers do not reach its REST callers.

    These are `analytics-not-begun` for a call that may safely go to another server; for a REST call the body of its
    error, and `retry-after` if it can be retried; and `www-authenticate` for a call without a usable credential.
    """
    told = [(headers.NOT_BEGUN, "1")] if isinstance(exc, DrainingError) else []
    if header(headers.JSON_CALL):
        told.append((headers.JSON_ERROR, _json_error(exc, status)))
        retry = _detail(status, error_details_pb2.RetryInfo())
        if retry is not None:
            told.append(("retry-after", str(max(1, retry.retry_delay.ToTimedelta().seconds))))
    if status.code == grpc.StatusCode.UNAUTHENTICATED.value[0]:
        told.append(("www-authenticate", "Bearer"))
    if told:
        await context.send_initial_metadata(told)


def _json_error(exc: Exception, status: status_pb2.Status) -> str:
    """Write a status as {"code", "reason", "message", "violations"}, in ASCII, as headers want it."""
    info = _detail(status, error_details_pb2.ErrorInfo())
    return json.dumps(
        {
            "code": next(code.name for code in grpc.StatusCode if code.value[0] == status.code),
            "reason": info.reason if info is not None else "",
            "message": status.message,
            "violations": [
                {"field": at.field, "rule": at.rule, "description": at.description} for at in _violations(exc)
            ],
        },
        separators=(",", ":"),
    )


def _violations(exc: Exception) -> Sequence[Violation]:
    """List what is wrong with the request, each with its field as JSON callers write it."""
    if isinstance(exc, EventRejectedError):
        return told_of(exc.rejected.violations)
    if isinstance(exc, ParameterError):
        return (Violation(exc.field, exc.rule, exc.description),)
    if isinstance(exc, QuestionError):
        first, *others = exc.field.split("_")
        parameter = first + "".join(word.capitalize() for word in others)
        return (Violation(parameter, exc.reason, exc.description),)
    return ()


def _detail(status: status_pb2.Status, into: Any) -> Any:
    """Unpack the detail of this type; None where the status has none."""
    return next((into for detail in status.details if detail.Unpack(into)), None)
