"""Whose address an event gets: that of the connection, or what as many proxies as are trusted say."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, eventually
from tests.gateway.http import call
from tests.gateway.running import running_gateway
from tests.stored import stored_rows

CONNECTION = "127.0.0.1"
CLAIMED, CALLER, PROXY = "198.51.100.66", "203.0.113.9", "192.0.2.10"
"""What a caller makes up, where it is, and a proxy in front of the gateway."""


class Behind:
    """A server behind two gateways: one trusts nobody, one trusts a proxy in front of it."""

    def __init__(self, server: Service, database_url: str, logs: list[Service], ports: dict[int, int]) -> None:
        self.server = server
        self.logs = logs
        self.ports = ports
        self._database_url = database_url

    def address_of(self, event_id: str) -> str:
        """Read what is stored with an event."""
        with asyncio.Runner() as runner:
            rows = runner.run(stored_rows(self._database_url))
        (address,) = (row["ip_address"] for row in rows if row["event_id"] == event_id)
        return str(address)

    def hash_of(self, address: str) -> str:
        """Learn what stands for an address, from an event that names it."""
        event = Event(ip_address=address, view=ViewEvent(content_type="post", content_id="p"))
        return self.address_of(self.server.stub.Track(TrackRequest(event=event), timeout=20).event_id)


@pytest.fixture(scope="module")
def behind(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """Both gateways."""
    folder = tmp_path_factory.mktemp("addresses")
    with (
        Service(folder / "server", command="serve", DATABASE_URL=module_database_url, ANALYTICS_WORKERS="1") as server,
        running_gateway(folder / "none", server.address) as (first, none),
        running_gateway(folder / "one", server.address, ANALYTICS_TRUSTED_HOPS="1") as (second, one),
    ):
        eventually("the server is well", lambda: call(none, "GET", "/events/health").status == 200)
        yield Behind(server, module_database_url, [server, first, second], {0: none, 1: one})


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, None, CONNECTION),
        (0, CLAIMED, CONNECTION),
        (0, f"{CLAIMED}, {CALLER}", CONNECTION),
        (1, None, CONNECTION),
        (1, CALLER, CALLER),
        (1, f"{CLAIMED}, {CALLER}", CALLER),
        (1, f"{CLAIMED}, {CLAIMED}, {CALLER}", CALLER),
        (1, "no address", CONNECTION),
    ],
)
def test_only_the_trusted_hop_says_where_a_caller_is(
    behind: Behind, hops: int, forwarded: str | None, expected: str
) -> None:
    """What a caller writes into x-forwarded-for, or into the header between gateway and server, counts for nothing."""
    sent = {"analytics-client-address": CLAIMED, "analytics-json": "no", "x-real-ip": CLAIMED}
    if forwarded is not None:
        sent["x-forwarded-for"] = forwarded
    view = {"eventType": "view", "data": {"contentType": "post", "contentId": "p"}}
    answer = call(behind.ports[hops], "POST", "/analytics/events/track", view, headers=sent)
    assert answer.status == 200, answer
    assert behind.address_of(answer.json["eventId"]) == behind.hash_of(expected)


@pytest.mark.parametrize("hops", [0, 1])
def test_grpc_callers_of_the_gateway_cannot_speak_for_it(behind: Behind, hops: int) -> None:
    """The header between gateway and server is taken off a call; what the event says itself stays."""
    with grpc.insecure_channel(f"127.0.0.1:{behind.ports[hops]}") as channel:
        stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
        event = Event(view=ViewEvent(content_type="post", content_id="p"))
        metadata = (("analytics-client-address", CLAIMED), ("x-forwarded-for", CALLER))
        answer = stub.Track(TrackRequest(event=event), timeout=20, metadata=metadata)
    assert behind.address_of(answer.event_id) in {"None", behind.hash_of(CONNECTION)}


def test_no_address_of_a_caller_stands_in_a_log(behind: Behind, tmp_path: Path) -> None:
    """Neither the server nor Envoy writes one, also where it turns a request away."""
    for hops, port in behind.ports.items():
        sent = {"x-forwarded-for": f"{CLAIMED}, {CALLER}"}
        for path in ("/analytics/events/track", "/analytics/nothing", "/analytics/dashboard?timeframe=x"):
            assert call(port, "GET", path, headers=sent).status in {400, 404, 405}, (hops, path)
    with running_gateway(tmp_path / "gateway", f"{PROXY.replace('192', '127')}:1") as (gateway, port):
        assert call(port, "GET", "/analytics/dashboard", headers={"x-forwarded-for": CALLER}).status == 503
        eventually("the gateway logs the failure", lambda: "gateway_failed" in gateway.output())
        logs = [service.output() for service in (*behind.logs, gateway)]
    assert not [log for log in logs if CLAIMED in log or CALLER in log]
