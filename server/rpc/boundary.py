"""The boundary of every RPC: refuses it while draining, admits its caller, translates its errors, writes its line."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status

from server.access.caller import Caller, set_caller
from server.access.errors import AccessError, BadCredentialError
from server.access.guard import BAD_KEY, Guard
from server.access.scopes import MethodAccess, read_access
from server.rpc.errors import STATUS_DETAILS, status_of
from server.rpc.gateway_calls import read_credentials, read_headers, request_id, tell_gateway
from server.rpc.query_parameters import fill_from_query
from server.rpc.refusals import CutOffError, DrainingError, MalformedMessageError, MessageTooLargeError

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Any, Context], Awaitable[Message]]
"""A method of a service: a request (or an iterator of requests) and its context in, the response out."""
Parser = Callable[[bytes], Message]
"""Makes a message of the method's type; raises MessageTooLargeError and MalformedMessageError."""

OURS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
"""Codes that an operator should see; callers' mistakes and impatience are logged at info."""
QUIET = frozenset({"Track"})
"""Methods called so often that a log line per call would cost more than it is worth."""


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
    service: ServiceDescriptor, servicer: object, calls: Calls, guard: Guard, *, max_message_bytes: int
) -> grpc.GenericRpcHandler:
    """Build the handlers of a service from its descriptor; the servicer has a method for each of the contract's.

    Messages are parsed here, once their caller is admitted.

    Raises:
        UndeclaredScopeError: a method does not say which scope it needs.
    """
    built: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in service.methods:
        implementation: Method = getattr(servicer, method.name)
        build = grpc.stream_unary_rpc_method_handler if method.client_streaming else grpc.unary_unary_rpc_method_handler
        built[method.name] = build(
            _bounded(
                method, implementation, calls, guard, _parser(GetMessageClass(method.input_type), max_message_bytes)
            ),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service.full_name, built)


def _parser(message_class: type[Message], max_bytes: int) -> Parser:
    from_string, name = message_class.FromString, message_class.DESCRIPTOR.full_name

    def parse(data: bytes) -> Message:
        if len(data) > max_bytes:
            raise MessageTooLargeError(len(data), max_bytes)
        try:
            return from_string(data)
        except DecodeError:
            raise MalformedMessageError(name) from None

    return parse


def _bounded(method: MethodDescriptor, implementation: Method, calls: Calls, guard: Guard, parse: Parser) -> Method:
    name = method.name
    quiet = name in QUIET
    answer = _answer_stream if method.client_streaming else _answer_one
    access = read_access(method)

    async def call(data: Any, context: Context) -> Message:
        started_at = time.perf_counter()
        code = grpc.StatusCode.OK
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - grpc.aio answers each call in a task of its own
        try:
            read_headers(context)
            calls.enter(task)
            caller = await guard.admit(access, read_credentials(context, from_query=access.takes_events))
            set_caller(caller)
            if method.client_streaming:
                guard.enter(task, caller)
            return await answer(implementation, data, parse, access, caller, context)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            if not calls.cut_off and not guard.was_ended(task):
                raise
            ended = CutOffError() if calls.cut_off else BadCredentialError(BAD_KEY)
            code, status = status_of(ended)
            await _refuse(ended, status, code, context)
        except Exception as exc:
            code, status = status_of(exc)
            if isinstance(exc, AccessError):
                guard.note_refusal(exc)
            if code is grpc.StatusCode.INTERNAL:
                log.exception("rpc_failed", method=name)
            await _refuse(exc, status, code, context)
        finally:
            calls.leave(task)
            guard.leave(task)
            ms = round((time.perf_counter() - started_at) * 1000, 1)
            if quiet and code not in OURS:
                log.debug("rpc", method=name, code=code.name, ms=ms)
            else:
                write = log.warning if code in OURS else log.info
                write("rpc", method=name, code=code.name, ms=ms, **request_id())

    return call


async def _answer_one(
    implementation: Method, data: Any, parse: Parser, access: MethodAccess, caller: Caller, context: Context
) -> Message:
    request = parse(data)
    fill_from_query(request)
    for scope in access.scopes_of(request):
        caller.require(scope)
    if access.is_report and caller.key is not None:
        with caller.key.quota.report():
            return await implementation(request, context)
    return await implementation(request, context)


async def _answer_stream(
    implementation: Method, data: Any, parse: Parser, access: MethodAccess, caller: Caller, context: Context
) -> Message:
    async def requests() -> AsyncIterator[Message]:
        async for each in data:
            if caller.key is not None:
                caller.key.quota.check()
            request = parse(each)
            for scope in access.scopes_of(request):
                caller.require(scope)
            yield request

    return await implementation(requests(), context)


async def _refuse(exc: Exception, status: Status, code: grpc.StatusCode, context: Context) -> NoReturn:
    """End a call with a status; grpc ends the method by an exception."""
    await tell_gateway(exc, status, context)
    await context.abort(code, status.message, ((STATUS_DETAILS, status.SerializeToString()),))
