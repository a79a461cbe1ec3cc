"""Every error of the server, and every one that Envoy makes itself, reaches JSON callers in the one shape."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway import routes
from runtime.settings import Settings
from server.access.guard import OPEN
from server.ingest.errors import TooManyEventsError
from server.processes.worker import ANALYTICS
from server.reports.errors import ReportsBusyError
from server.rpc.boundary import Calls, handlers
from server.rpc.refusals import DrainingError
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackRequest, TrackResponse
from storage.postgres.errors import StorageRefusedError, StorageTimeoutError, StorageUnavailableError, WriterFullError
from tests.acceptance.running import free_port
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call, expect_error
from tests.gateway.running import running_gateway

TRACK = "/analytics/events/track"
VIEW: dict[str, Any] = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
STRANGE = "\U000e0001"
"""Each takes ten characters where it is told, and eleven as JSON."""


class FailingService:
    """Fails every Track as it is told to; what the real service answers has tests of its own."""

    def __init__(self) -> None:
        """Begin without a failure."""
        self.failure: Exception | None = None
        self.delay_s = 0.0

    def __getattr__(self, name: str) -> Any:
        """Have every method of the contract."""
        return self.Track

    async def Track(self, _request: TrackRequest, _context: Any) -> TrackResponse:  # noqa: N802 - gRPC
        """Take the delay, and raise the failure."""
        await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure
        return TrackResponse(event_id="stored")


@pytest.fixture(scope="module")
async def failing() -> AsyncIterator[tuple[FailingService, str]]:
    """A server with the real boundary, and its address."""
    service = FailingService()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (handlers(ANALYTICS, service, Calls(), OPEN, max_message_bytes=Settings().max_message_bytes),)
    )
    address = f"127.0.0.1:{free_port()}"
    server.add_insecure_port(address)
    await server.start()
    yield service, address
    await server.stop(None)


@pytest.fixture(scope="module")
def before_failing(
    failing: tuple[FailingService, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FailingService, int]]:
    """The failing service, and the port of a gateway in front of it."""
    service, address = failing
    with running_gateway(tmp_path_factory.mktemp("failing") / "gateway", address) as (_, port):
        yield service, port


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry_after"),
    [
        (WriterFullError("the queue is full", retry_after_s=7), 429, "RESOURCE_EXHAUSTED", "7"),
        (WriterFullError("the queue is full", retry_after_s=0.05), 429, "RESOURCE_EXHAUSTED", "1"),
        (ReportsBusyError(), 429, "RESOURCE_EXHAUSTED", "1"),
        (StorageUnavailableError("the database is away"), 503, "UNAVAILABLE", "1"),
        (StorageRefusedError("the database refuses us"), 503, "UNAVAILABLE", "30"),
        (DrainingError(), 503, "UNAVAILABLE", "1"),
        (StorageTimeoutError("it took too long"), 504, "DEADLINE_EXCEEDED", None),
        (TooManyEventsError(9, 5), 400, "INVALID_ARGUMENT", None),
        (RuntimeError("a secret of the inside"), 500, "INTERNAL", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_each_error_of_the_server_has_its_status(
    before_failing: tuple[FailingService, int], failure: Exception, status: int, code: str, retry_after: str | None
) -> None:
    """The body, and `retry-after` where sending again is of use, are the server's own; faults keep their text."""
    service, port = before_failing
    service.failure = failure
    # Some of them are not this method's own.
    answer = await asyncio.to_thread(call, port, "POST", TRACK, VIEW, described=False)
    expect_error(answer, status, code, getattr(failure, "reason", "INTERNAL"))
    assert answer.headers.get("retry-after") == retry_after
    assert b"secret" not in answer.body
    assert not [name for name in answer.headers if name.startswith("analytics-")]


def test_without_a_server_everything_is_503_with_retry_after(tmp_path: Path) -> None:
    """Calls and health say when to come back."""
    with running_gateway(tmp_path / "gateway", f"127.0.0.1:{free_port()}") as (_, port):
        for method, path, body in (
            ("POST", TRACK, VIEW),
            ("GET", "/analytics/dashboard", None),
            ("GET", "/events/health", None),
            ("GET", "/analytics/health", None),
        ):
            expect_error(call(port, method, path, body), 503, "UNAVAILABLE", "SERVER_AWAY")


def _metadata_of(key: str, *, depth: int) -> dict[str, Any]:
    value: Any = "a\0b"
    for _ in range(depth):
        value = {key: value}
    return {str(number): value for number in range(40)}


@pytest.mark.parametrize(
    "event",
    [
        {**VIEW, "data": {**VIEW["data"], **{f"{'é' * 200}{number}": 1 for number in range(60)}}},
        {**VIEW, "data": {**VIEW["data"], **{f"{number}{STRANGE * 200}": 1 for number in range(60)}}},
        {
            "eventType": "engagement",
            "data": {
                "action": "like",
                "targetType": "post",
                "targetId": "p",
                "metadata": _metadata_of(STRANGE * 40, depth=6),
            },
        },
        {
            "eventType": "engagement",
            "data": {
                "action": "like",
                "targetType": "post",
                "targetId": "p",
                "metadata": _metadata_of("m" * 40, depth=24),
            },
        },
    ],
    ids=["long names", "strange names", "strange paths", "long paths"],
)
def test_many_long_violations_arrive_by_rest_and_by_grpc(gateway: GatewayService, event: dict[str, Any]) -> None:
    """They travel in headers and trailers, which hold some 8 KB: those that fit come, and a word on the rest."""
    answer = call(gateway.rest_port, "POST", TRACK, event)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    assert len(answer.json["violations"]) > 1
    assert answer.json["violations"][-1]["rule"] == "TOO_MANY_VIOLATIONS"
    for address in (gateway.address, f"127.0.0.1:{gateway.rest_port}"):
        assert _track(address, event) is grpc.StatusCode.INVALID_ARGUMENT


def _track(address: str, event: dict[str, Any]) -> Any:
    """Track by gRPC, and tell the code of the error."""
    message = Event(event_type=event["eventType"])
    message.data.update(event["data"])
    with grpc.insecure_channel(address) as channel:
        stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            stub.Track(TrackRequest(event=message), timeout=20)
        except grpc.RpcError as exc:
            return exc.code()
    return grpc.StatusCode.OK


async def test_a_call_without_an_end_is_504(failing: tuple[FailingService, str], tmp_path: Path) -> None:
    """Where not even the server has a word for it, after the gateway's 30 s; at this one, after one."""
    assert routes.JSON_TIMEOUT_S == 30
    service, address = failing
    service.failure = None
    service.delay_s = 60
    hurry = "from gateway import routes; routes.JSON_TIMEOUT_S = 1"
    try:
        with running_gateway(tmp_path / "gateway", address, first=hurry) as (_, port):
            answer = await asyncio.to_thread(call, port, "POST", TRACK, VIEW)
    finally:
        service.delay_s = 0
    expect_error(answer, 504, "DEADLINE_EXCEEDED", "TOO_SLOW")
