"""The boundary of every RPC: counts it, refuses it while draining, translates its errors, writes its canonical line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status

from runtime.errors import AnalyticsError
from server.rpc.errors import STATUS_DETAILS, status_of
from server.rpc.gateway_calls import read_headers, request_id, tell_gateway
from server.rpc.query_parameters import fill_from_query
from server.rpc.refusals import CutOffError, DrainingError, MalformedMessageError, MessageTooLargeError

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Any, Context], Awaitable[Message]]
"""A method of a service: a request (or an iterator of requests) and its context in, the response out."""

OURS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
"""Codes that an operator should see; callers' mistakes and impatience are logged at info."""
QUIET = frozenset({"Track"})
"""Methods called so often that a log line per call would cost more than it is worth."""


class Unread:
    """The placeholder of a message that was not parsed, with the error for the method's boundary to report."""

    __slots__ = ("error",)

    def __init__(self, error: AnalyticsError) -> None:
        self.error = error


class Calls:
    """The calls under way on this server, and whether it still accepts new ones."""

    def __init__(self) -> None:
        self.draining = False
        self.cut_off = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def under_way(self) -> int:
        """The number of calls under way."""
        return len(self._tasks)

    def enter(self, task: "asyncio.Task[Any]") -> None:
        """Count a call in, by the task that answers it.

        Raises:
            DrainingError: the server is stopping.
        """
        if self.draining:
            raise DrainingError
        self._tasks.add(task)
        self._idle.clear()

    def leave(self, task: "asyncio.Task[Any]") -> None:
        """Count a call out."""
        self._tasks.discard(task)
        if not self._tasks:
            self._idle.set()

    async def drain(self, timeout_s: float) -> int:
        """Accept no new calls and wait for those under way; cut off those that are left when the time is over.

        Returns:
            How many were cut off. Their callers get an error that says that the outcome is unknown.
        """
        self.draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        self.cut_off = True
        left = list(self._tasks)
        for task in left:
            task.cancel()
        return len(left)


def handlers(
    service: ServiceDescriptor, servicer: object, calls: Calls, *, max_message_bytes: int
) -> grpc.GenericRpcHandler:
    """Build the handlers of a service from its descriptor; the servicer has a method for each of the contract's."""
    built = {}
    for method in service.methods:
        implementation: Method = getattr(servicer, method.name)
        build = grpc.stream_unary_rpc_method_handler if method.client_streaming else grpc.unary_unary_rpc_method_handler
        built[method.name] = build(
            _bounded(method, implementation, calls),
            request_deserializer=_parser(GetMessageClass(method.input_type), max_message_bytes),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service.full_name, built)


def raise_unread(request: object) -> None:
    """Refuse a message that was not parsed.

    Raises:
        MessageTooLargeError: it is too large.
        MalformedMessageError: its bytes are not a message of the method's type.
    """
    if type(request) is Unread:
        raise request.error


def _parser(message_class: type[Message], max_bytes: int) -> Callable[[bytes], object]:
    from_string, name = message_class.FromString, message_class.DESCRIPTOR.full_name

    def parse(data: bytes) -> object:
        if len(data) > max_bytes:
            return Unread(MessageTooLargeError(len(data), max_bytes))
        try:
            return from_string(data)
        except DecodeError:
            return Unread(MalformedMessageError(name))

    return parse


def _bounded(method: MethodDescriptor, implementation: Method, calls: Calls) -> Method:
    name = method.name
    quiet, streams = name in QUIET, method.client_streaming

    async def call(request: Any, context: Context) -> Message:
        started_at = time.perf_counter()
        code = grpc.StatusCode.OK
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - grpc.aio answers each call in a task of its own
        try:
            read_headers(context)
            calls.enter(task)
            raise_unread(request)
            if not streams:
                fill_from_query(request)
            return await implementation(request, context)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            if not calls.cut_off:
                raise
            cut_off = CutOffError()
            code, status = status_of(cut_off)
            await _refuse(cut_off, status, code, context)
        except Exception as exc:
            code, status = status_of(exc)
            if code is grpc.StatusCode.INTERNAL:
                log.exception("rpc_failed", method=name)
            await _refuse(exc, status, code, context)
        finally:
            calls.leave(task)
            ms = round((time.perf_counter() - started_at) * 1000, 1)
            if quiet and code not in OURS:
                log.debug("rpc", method=name, code=code.name, ms=ms)
            else:
                write = log.warning if code in OURS else log.info
                write("rpc", method=name, code=code.name, ms=ms, **request_id())

    return call


async def _refuse(exc: Exception, status: Status, code: grpc.StatusCode, context: Context) -> NoReturn:
    """End a call with a status; grpc ends the method by an exception."""
    await tell_gateway(exc, status, context)
    await context.abort(code, status.message, ((STATUS_DETAILS, status.SerializeToString()),))
