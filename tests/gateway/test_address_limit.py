"""How many requests a second the gateway takes from one address."""

from collections.abc import Iterator

import grpc
import pytest

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from tests.acceptance.running import fails_with
from tests.gateway.conftest import GatewayService
from tests.gateway.http import Answer, call, expect_error
from tests.gateway.running import running_gateway

LIMIT = 5


@pytest.fixture(scope="module")
def limited_port(gateway: GatewayService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A gateway that takes LIMIT requests a second from an address, as the proxy in front of it tells addresses."""
    folder = tmp_path_factory.mktemp("limited") / "data"
    settings = {"ANALYTICS_REQUESTS_PER_ADDRESS": str(LIMIT), "ANALYTICS_TRUSTED_HOPS": "1"}
    with running_gateway(folder, gateway.address, ANALYTICS_CORS_ORIGINS="https://shop.example", **settings) as (
        _,
        port,
    ):
        yield port


def ask(port: int, address: str, **headers: str) -> Answer:
    """Ask for the list of event types on behalf of an address."""
    return call(port, "GET", "/analytics/schemas", headers={"x-forwarded-for": address, **headers})


def first_refusal(port: int, address: str) -> Answer:
    """Ask until a request is refused; a bucket that refills slower than this asks is empty soon."""
    for _ in range(100 * LIMIT):
        answer = ask(port, address, origin="https://shop.example")
        if answer.status != 200:
            return answer
    pytest.fail("no request was refused")


def test_an_address_that_asks_too_often_is_told_when_to_come_back(limited_port: int) -> None:
    """In the shape of all errors, readable by pages, while another address is served."""
    refused = first_refusal(limited_port, "198.51.100.1")
    expect_error(refused, 429, "RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    assert ask(limited_port, "198.51.100.2").status == 200


def test_a_grpc_caller_gets_resource_exhausted(limited_port: int) -> None:
    """Its library understands that."""
    with grpc.insecure_channel(f"127.0.0.1:{limited_port}") as channel:
        stub = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        with fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED):
            for _ in range(100 * LIMIT):
                stub.GetDashboard(GetDashboardRequest(), metadata=(("x-forwarded-for", "198.51.100.3"),), timeout=20)


def test_loopback_has_no_limit_of_its_own(gateway: GatewayService) -> None:
    """All of this machine's programs have one address."""
    assert all(call(gateway.rest_port, "GET", "/analytics/schemas").status == 200 for _ in range(20 * LIMIT))


@pytest.mark.parametrize(
    "path", ["/analytics/events", "/analytics/funnel/actors?steps=view&steps=purchase", "/api/analytics/dashboard"]
)
def test_no_cache_keeps_what_is_about_people(gateway: GatewayService, path: str) -> None:
    """Neither the browser's nor a proxy's."""
    answer = call(gateway.rest_port, "GET", path)
    assert answer.headers["cache-control"] == "no-store", answer
