"""The OpenAPI description that the gateway serves is the committed one."""

from pathlib import Path

from tests.gateway.conftest import GatewayService
from tests.gateway.http import call


def test_the_gateway_serves_the_committed_description(gateway: GatewayService) -> None:
    """GET /openapi.json answers OpenAPI 3.1."""
    answer = call(gateway.rest_port, "GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["openapi"].startswith("3.1")
    assert answer.body == Path("gateway/openapi.json").read_bytes()
