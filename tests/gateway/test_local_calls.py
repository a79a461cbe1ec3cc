"""A service on loopback without keys, and the web pages that a browser on this machine opens."""

import json
from typing import Any

import grpc
import pytest

from sociallive.analytics.v1.admin_service_pb2 import ListRejectedEventsRequest
from tests.gateway.conftest import ORIGIN, GatewayService
from tests.gateway.http import Answer, call, expect_error

TRACK = "/analytics/events/track"
VIEW: dict[str, Any] = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
TEXT = {"content-type": "text/plain;charset=UTF-8"}


def track(gateway: GatewayService, **headers: str) -> Answer:
    """Send an event as a page's beacon does, which asks for no permission first."""
    return call(gateway.rest_port, "POST", TRACK, json.dumps(VIEW).encode(), headers={**TEXT, **headers})


@pytest.mark.parametrize(
    "host", ["rebound.example", "rebound.example:3006", "127.0.0.1.example", "localhost.example:80"]
)
@pytest.mark.parametrize("path", ["/analytics/events", "/analytics/dashboard", "/api/analytics/dashboard?timeframe=1d"])
def test_a_rebound_name_reads_nothing(gateway: GatewayService, host: str, path: str) -> None:
    """A page whose own name suddenly means 127.0.0.1 is of the same origin for its browser, and not for us."""
    for headers in ({"host": host}, {"host": host, "origin": f"http://{host}"}):
        answer = call(gateway.rest_port, "GET", path, headers=headers)
        expect_error(answer, 403, "PERMISSION_DENIED", "FOREIGN_CALL")


def test_a_rebound_name_neither_writes_nor_administrates(gateway: GatewayService) -> None:
    """By REST, and by gRPC-web at both ports, also where the page forges what the gateway says."""
    expect_error(track(gateway, host="rebound.example"), 403, "PERMISSION_DENIED", "FOREIGN_CALL")
    forged = {"host": "rebound.example", "analytics-authority": "localhost"}
    expect_error(track(gateway, **forged), 403, "PERMISSION_DENIED", "FOREIGN_CALL")
    web = {"content-type": "application/grpc-web+proto", **forged}
    for port, method in (
        (gateway.rest_port, "AnalyticsService/GetDashboard"),
        (gateway.admin_port, "AdminService/ListRejectedEvents"),
        (gateway.admin_port, "AdminService/PurgeRejectedEvents"),
    ):
        path = f"/sociallive.analytics.v1.{method}"
        answer = call(port, "POST", path, b"\0\0\0\0\0", headers=web, described=False)
        assert answer.headers["grpc-status"] == str(grpc.StatusCode.PERMISSION_DENIED.value[0]), answer


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "http://localhost:1"])
def test_a_foreign_origin_writes_nothing(gateway: GatewayService, origin: str) -> None:
    """A form or a beacon of text/plain asks for no permission first; a sandboxed page says `null`."""
    expect_error(track(gateway, origin=origin), 403, "PERMISSION_DENIED", "FOREIGN_CALL")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.2"])
def test_names_of_loopback_and_listed_origins_may_call(gateway: GatewayService, host: str) -> None:
    """With and without a port; the service's own pages, too."""
    for name in (host, f"{host}:{gateway.rest_port}"):
        assert track(gateway, host=name).status == 200
        assert track(gateway, host=name, origin=ORIGIN).status == 200
        assert track(gateway, host=name, origin=f"http://{name}").status == 200


def test_health_is_told_to_everybody(gateway: GatewayService) -> None:
    """Its status, and no more."""
    answer = call(gateway.rest_port, "GET", "/events/health", headers={"host": "rebound.example"})
    assert answer.json == {"status": "SERVING", "storage": "SERVING"}


def test_programs_of_this_machine_call_directly(gateway: GatewayService) -> None:
    """By gRPC, which no page can speak."""
    gateway.admin_stub.ListRejectedEvents(ListRejectedEventsRequest(), timeout=10)
    assert gateway.count_events() >= 0
