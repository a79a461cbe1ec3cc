"""A faulty gRPC gateway: passes the bytes of calls on to the real service, or fails them."""

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from clients.conformance.faults import POISON, RETRY_AFTER_S, Fault, FaultPlan
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest

DOMAIN = "analytics.sociallive"
TRACK_EVENTS = "/sociallive.analytics.v1.AnalyticsService/TrackEvents"
CALL_TIMEOUT_S = 60.0


class GrpcGateway(grpc.GenericRpcHandler):
    """Listens on 127.0.0.1 at `port`, and passes unary calls on to the service at `target`, or not."""

    def __init__(self, target: str, plan: FaultPlan) -> None:
        self.port = 0
        self._plan = plan
        self._channel = grpc.aio.insecure_channel(target)
        self._server: Any = None

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Break all calls and listen no longer."""
        await self._server.stop(None)

    async def close(self) -> None:
        """Stop, and close the channel to the service."""
        await self.stop()
        await self._channel.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        """Handle every method as bytes in and bytes out."""
        method = str(handler_call_details.method)

        async def handle(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
            return await self._handle(method, request, context)

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _handle(self, method: str, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        events = len(TrackEventsRequest.FromString(request).events) if method == TRACK_EVENTS else 1
        match self._plan.next_fault(events, has_poison=POISON.encode() in request):
            case Fault.UNAVAILABLE:
                retry = error_details_pb2.RetryInfo()
                retry.retry_delay.seconds = RETRY_AFTER_S
                await _fail(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", [retry])
            case Fault.TOO_LARGE:
                await _fail(context, grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_TOO_LARGE")
            case Fault.POISON:
                await _fail(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
            case Fault.STALL:
                await asyncio.sleep(self._plan.stall_s)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
            case Fault.RESET:
                await self._forward(method, request)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        try:
            return await self._forward(method, request)
        except grpc.aio.AioRpcError as exc:
            context.set_trailing_metadata(exc.trailing_metadata())
            await context.abort(exc.code(), exc.details() or "", exc.trailing_metadata())
            raise

    async def _forward(self, method: str, request: bytes) -> bytes:
        call: Any = self._channel.unary_unary(method)  # its types want serializers
        response: bytes = await call(request, timeout=CALL_TIMEOUT_S)
        return response


async def _fail(
    context: "grpc.aio.ServicerContext[bytes, bytes]",
    code: grpc.StatusCode,
    reason: str,
    details: Iterable[Message] = (),
) -> None:
    """Fail a call as the service does."""
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message="a fault of the conformance kit")
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN), *details):
        status.details.add().Pack(detail)
    await context.abort_with_status(rpc_status.to_status(status))
