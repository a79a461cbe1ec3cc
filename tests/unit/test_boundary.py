"""The boundary of RPCs on a real server: messages that are too large, and calls that outlast a drain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from server.access.guard import OPEN
from server.processes.worker import ANALYTICS
from server.rpc.boundary import Calls, handlers
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import (
    TrackBatchRequest,
    TrackBatchResponse,
    TrackEventsRequest,
    TrackEventsResponse,
    TrackRequest,
    TrackResponse,
)
from tests.acceptance.samples import reason, retry_delay_s

MAX_MESSAGE_BYTES = 10_000


class Patient:
    """A service that takes everything, and Track only when it may."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.may_go = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        """Have every method of the contract."""
        return self.Track

    async def Track(self, _request: TrackRequest, _context: Any) -> TrackResponse:  # noqa: N802 - gRPC
        """Wait until it may go."""
        self.waiting.set()
        await self.may_go.wait()
        return TrackResponse(event_id="stored")

    async def TrackEvents(self, _request: TrackEventsRequest, _context: Any) -> TrackEventsResponse:  # noqa: N802 - gRPC
        """Take them."""
        return TrackEventsResponse()

    async def TrackBatch(self, requests: AsyncIterator[TrackBatchRequest], _context: Any) -> TrackBatchResponse:  # noqa: N802 - gRPC
        """Take them."""
        async for _ in requests:
            pass
        return TrackBatchResponse()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Patient, Calls, Any]]:
    """A server with the real boundary, and a stub to call it."""
    service, calls = Patient(), Calls()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handlers(ANALYTICS, service, calls, OPEN, max_message_bytes=MAX_MESSAGE_BYTES),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield service, calls, AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
    await server.stop(None)


@pytest.mark.finding(17)
@pytest.mark.parametrize("method", ["Track", "TrackEvents", "TrackBatch"])
async def test_a_message_that_is_too_large_is_refused_with_the_limit(method: str) -> None:
    """Never to be sent again: no RetryInfo, and a code of the caller's."""
    event = Event(user_agent="x" * MAX_MESSAGE_BYTES)
    requests = {
        "Track": TrackRequest(event=event),
        "TrackEvents": TrackEventsRequest(events=[event]),
        "TrackBatch": iter([TrackBatchRequest(), TrackBatchRequest(events=[event])]),
    }
    async with serving() as (_, _, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(stub, method)(requests[method], timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(caught.value) == "MESSAGE_TOO_LARGE"
    assert retry_delay_s(caught.value) is None
    assert "at most 10,000 are allowed: split it" in str(caught.value.details())


async def test_a_message_of_just_the_limit_is_taken() -> None:
    """To the byte."""
    request = TrackEventsRequest(events=[Event(user_agent="x" * (MAX_MESSAGE_BYTES - 6))])
    assert request.ByteSize() == MAX_MESSAGE_BYTES
    async with serving() as (_, _, stub):
        await stub.TrackEvents(request, timeout=10)


@pytest.mark.finding(17)
async def test_a_call_that_outlasts_the_drain_is_told_to_come_again() -> None:
    """UNAVAILABLE with RetryInfo, not the CANCELLED of a caller that hung up; a new call is refused untouched."""
    async with serving() as (service, calls, stub):
        call = stub.Track(TrackRequest(), timeout=10)
        call_ended = asyncio.ensure_future(call)
        await service.waiting.wait()
        assert await calls.drain(0) == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call_ended
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Track(TrackRequest(), timeout=10)
    for error, why in ((caught.value, "INTERRUPTED"), (refused.value, "DRAINING")):
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, why)
        assert retry_delay_s(error) == 1.0


async def test_a_call_that_ends_within_the_drain_is_answered() -> None:
    """Nobody is cut off."""
    async with serving() as (service, calls, stub):
        call = asyncio.ensure_future(stub.Track(TrackRequest(), timeout=10))
        await service.waiting.wait()
        draining = asyncio.create_task(calls.drain(10))
        service.may_go.set()
        assert (await draining, (await call).event_id) == (0, "stored")


async def test_a_caller_that_hangs_up_is_no_fault() -> None:
    """Its call is cancelled, and counted out."""
    async with serving() as (service, calls, stub):
        call = stub.Track(TrackRequest(), timeout=10)
        waiting = asyncio.ensure_future(call)
        await service.waiting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await calls.drain(10) == 0
