"""The admin port: everything is there, and at the other ports no way of writing its name leads to it."""

import base64
from pathlib import Path
from typing import Any

import grpc
import pytest

from sociallive.analytics.v1.admin_service_pb2 import ListRejectedEventsRequest, ListRejectedEventsResponse
from sociallive.analytics.v1.admin_service_pb2_grpc import AdminServiceStub
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from tests.acceptance.running import Service, fails_with
from tests.gateway.conftest import GatewayService
from tests.gateway.http import Answer, call

LIST = "/sociallive.analytics.v1.AdminService/ListRejectedEvents"
FRAME = b"\0\0\0\0\0"
"""An empty message, as gRPC and gRPC-web send it."""
NAMES = (
    LIST,
    f"/{LIST}",
    f"/events/..{LIST}",
    f"/sociallive.analytics.v1.AnalyticsService/..{LIST}",
    LIST.replace("Service/", "Service%2f"),
    LIST.replace("Service/", "Service%2F"),
    LIST.replace("Admin", "%41dmin"),
    f"/api{LIST}",
    f"{LIST}?x=1",
    LIST.lower(),
)
FORMS = ("application/grpc", "application/grpc-web+proto", "application/grpc-web-text", "application/json")


def ask(port: int, path: str, form: str) -> Answer:
    """Call a method with an empty message in one of the forms that Envoy takes."""
    body = base64.b64encode(FRAME) if form.endswith("text") else FRAME
    return call(port, "POST", path, body, headers={"content-type": form, "te": "trailers"}, described=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", NAMES)
def test_no_name_of_administration_leads_to_it_on_the_public_port(
    gateway: GatewayService, path: str, form: str
) -> None:
    """Doubled slashes, dots and escapes are taken apart before a route is chosen; none leads there."""
    answer = ask(gateway.rest_port, path, form)
    assert answer.status in {400, 404} or answer.headers.get("grpc-status", "0") != "0", answer
    assert b"rejected" not in answer.body.lower()


def test_the_public_grpc_port_has_no_administration(gateway: GatewayService) -> None:
    """With forged headers of the gateway, too: the handlers are not there."""
    stub: Any = AdminServiceStub(gateway.channel)  # type: ignore[no-untyped-call]
    forged = (("analytics-authority", "localhost"), ("analytics-client-address", "127.0.0.1"), ("x-admin", "1"))
    with fails_with(grpc.StatusCode.UNIMPLEMENTED):
        stub.ListRejectedEvents(ListRejectedEventsRequest(), metadata=forged, timeout=10)


def test_the_admin_port_answers_grpc_and_grpc_web_and_rest(gateway: GatewayService) -> None:
    """It is a gateway of its own, with the services of the public port beside."""
    gateway.admin_stub.ListRejectedEvents(ListRejectedEventsRequest(), timeout=10)
    with grpc.insecure_channel(gateway.admin_address) as channel:
        stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.GetDashboard(GetDashboardRequest(), timeout=10)
    web = ask(gateway.admin_port, LIST, "application/grpc-web+proto")
    assert web.status == 200
    length = int.from_bytes(web.body[1:5], "big")
    ListRejectedEventsResponse.FromString(web.body[5 : 5 + length])
    assert b"grpc-status:0" in web.body[5 + length :]
    assert call(gateway.admin_port, "GET", "/analytics/dashboard").status == 200
    assert call(gateway.admin_port, "GET", "/events/health").json["status"] == "SERVING"


def test_no_page_of_another_origin_may_call_the_admin_port(gateway: GatewayService) -> None:
    """Origins that may call the public port may not call this one."""
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    answer = call(gateway.admin_port, "OPTIONS", LIST, headers=asked, described=False)
    assert "access-control-allow-origin" not in answer.headers


def test_without_a_gateway_the_servers_listen_on_the_admin_port(made_data_dir: Path) -> None:
    """Every service is there; at the gRPC port there is none of the administrative ones."""
    with Service(made_data_dir) as service:
        service.admin_stub.ListRejectedEvents(ListRejectedEventsRequest(), timeout=10)
        stub: Any = AdminServiceStub(service.channel)  # type: ignore[no-untyped-call]
        with fails_with(grpc.StatusCode.UNIMPLEMENTED):
            stub.ListRejectedEvents(ListRejectedEventsRequest(), timeout=10)
