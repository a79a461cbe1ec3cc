"""gRPC and gRPC-web on the gateway's port."""

import struct
import subprocess

import grpc

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackBatchRequest, TrackRequest, TrackResponse
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import program
from tests.gateway.conftest import ORIGIN, GatewayService
from tests.gateway.http import call

SERVICE = "/sociallive.analytics.v1.AnalyticsService"
VIEW = Event(view=ViewEvent(content_type="post", content_id="post-1"))


def call_grpc_web(port: int, method: str, message: bytes) -> tuple[bytes, bytes]:
    """Call as a browser does: the message in a frame, the answer's message and trailers in frames of the body."""
    answer = call(
        port,
        "POST",
        f"{SERVICE}/{method}",
        b"\0" + struct.pack(">I", len(message)) + message,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "origin": ORIGIN},
    )
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    (length,) = struct.unpack(">I", answer.body[1:5])
    trailers = answer.body[5 + length :]
    assert trailers[0] == 0x80
    return answer.body[5 : 5 + length], trailers[5:]


def test_grpc_health_probe_passes(gateway: GatewayService) -> None:
    """The operators' probe asks the gateway's port."""
    probe = program("grpc-health-probe")
    subprocess.run([probe, f"-addr=127.0.0.1:{gateway.rest_port}"], check=True, timeout=20, capture_output=True)


def test_grpc_calls_and_streams_pass(gateway: GatewayService) -> None:
    """A call and a client stream are answered as on the server's own port."""
    with grpc.insecure_channel(f"127.0.0.1:{gateway.rest_port}") as channel:
        stub = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        assert stub.Track(TrackRequest(event=VIEW), timeout=20).status == EventStatus.EVENT_STATUS_STORED
        messages = (TrackBatchRequest(events=[VIEW] * 50) for _ in range(10))
        assert stub.TrackBatch(messages, timeout=30).stored == 500


def test_grpc_web_stores_an_event_and_reads_a_report(gateway: GatewayService) -> None:
    """What a browser's gRPC client sends is stored and counted."""
    message, trailers = call_grpc_web(gateway.rest_port, "Track", TrackRequest(event=VIEW).SerializeToString())
    assert TrackResponse.FromString(message).status == EventStatus.EVENT_STATUS_STORED
    assert b"grpc-status:0" in trailers.replace(b" ", b"")
    message, _ = call_grpc_web(gateway.rest_port, "GetDashboard", GetDashboardRequest().SerializeToString())
    assert GetDashboardResponse.FromString(message).events >= 1
