"""One service with its gateway for the tests that do not stop it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running import Service, free_port
from tests.gateway.running import need_envoy

ORIGIN = "https://shop.example"


class GatewayService(Service):
    """`analytics up` with its gateway on `rest_port`; pages of ORIGIN, and of `page_port` of this machine, may call."""

    rest_port: int
    page_port: int


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayService]:
    """A service that is up, and its gateway; tests use ids and users of their own and leave it serving."""
    need_envoy()
    port, page_port = free_port(), free_port()
    service = GatewayService(
        tmp_path_factory.mktemp("gateway") / "data",
        PORT=str(port),
        ANALYTICS_GATEWAY="auto",
        ANALYTICS_CORS_ORIGINS=f"{ORIGIN},http://127.0.0.1:{page_port}",
        ANALYTICS_TRUSTED_HOPS="1",
    )
    service.rest_port, service.page_port = port, page_port
    with service:
        yield service
