"""The boundary of every RPC: counts it, refuses it while draining, translates its errors, writes its canonical line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from server.rpc.errors import STATUS_DETAILS, status_of
from server.rpc.gateway_calls import request_id_of, tell_gateway
from server.rpc.query_parameters import fill_from_query
from server.rpc.refusals import DrainingError, MalformedMessageError

log = structlog.get_logger(__name__)

Method = Callable[[Any, "grpc.aio.ServicerContext[Any, Any]"], Awaitable[Message]]
"""A method of a service: a request (or an iterator of requests) and its context in, the response out."""

OURS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
"""What an operator should see; a caller's mistake or haste is told at info."""
QUIET = frozenset({"Track"})
"""Methods called so often that a line each, good or bad, would cost more than it tells."""


class Malformed:
    """Stands for a message whose bytes could not be parsed, so that the method's boundary can say so clearly."""

    __slots__ = ("expected",)

    def __init__(self, expected: str) -> None:
        self.expected = expected


class Calls:
    """The calls under way on this server, and whether it still takes new ones."""

    def __init__(self) -> None:
        self.under_way = 0
        self.draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self) -> None:
        """Count a call in.

        Raises:
            DrainingError: the server is stopping.
        """
        if self.draining:
            raise DrainingError
        self.under_way += 1
        self._idle.clear()

    def leave(self) -> None:
        """Count a call out."""
        self.under_way -= 1
        if not self.under_way:
            self._idle.set()

    async def drain(self, timeout_s: float) -> int:
        """Take no new calls and wait for those under way; return how many are left when the time is over."""
        self.draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        return self.under_way


def handlers(service: ServiceDescriptor, servicer: object, calls: Calls) -> grpc.GenericRpcHandler:
    """Build the handlers of a service from its descriptor; the servicer has a method for each of the contract's."""
    built = {}
    for method in service.methods:
        implementation: Method = getattr(servicer, method.name)
        build = grpc.stream_unary_rpc_method_handler if method.client_streaming else grpc.unary_unary_rpc_method_handler
        built[method.name] = build(
            _bounded(method, implementation, calls),
            request_deserializer=_parser(GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service.full_name, built)


def raise_malformed(request: object) -> None:
    """Refuse a message that could not be parsed.

    Raises:
        MalformedMessageError: it could not.
    """
    if type(request) is Malformed:
        raise MalformedMessageError(request.expected)


def _parser(message_class: type[Message]) -> Callable[[bytes], object]:
    from_string = message_class.FromString
    malformed = Malformed(message_class.DESCRIPTOR.full_name)

    def parse(data: bytes) -> object:
        try:
            return from_string(data)
        except DecodeError:
            return malformed

    return parse


def _bounded(method: MethodDescriptor, implementation: Method, calls: Calls) -> Method:
    name = method.name
    quiet, streams = name in QUIET, method.client_streaming

    async def call(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Message:
        started_at = time.perf_counter()
        code = grpc.StatusCode.OK
        entered = False
        try:
            calls.enter()
            entered = True
            raise_malformed(request)
            if not streams:
                fill_from_query(request, context)
            return await implementation(request, context)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as exc:
            code, status = status_of(exc)
            if code is grpc.StatusCode.INTERNAL:
                log.exception("rpc_failed", method=name)
            await tell_gateway(exc, status, context)
            await context.abort(code, status.message, ((STATUS_DETAILS, status.SerializeToString()),))
        finally:
            if entered:
                calls.leave()
            ms = round((time.perf_counter() - started_at) * 1000, 1)
            if quiet and code not in OURS:
                log.debug("rpc", method=name, code=code.name, ms=ms)
            else:
                write = log.warning if code in OURS else log.info
                write("rpc", method=name, code=code.name, ms=ms, **request_id_of(context))

    return call
