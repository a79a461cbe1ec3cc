"""Calls from the gateway: whose address an event gets."""

from typing import Any

import pytest

from gateway import headers
from server.rpc.gateway_calls import fill_address
from sociallive.analytics.v1.event_pb2 import Event


class FakeContext:
    """The metadata of a call."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Answer as grpc's context does."""
        return self._metadata


@pytest.mark.parametrize(
    ("metadata", "own", "expected"),
    [
        ((), "", ""),
        (((headers.CLIENT_ADDRESS, "192.0.2.1"),), "", "192.0.2.1"),
        (((headers.CLIENT_ADDRESS, "192.0.2.1"),), "192.0.2.9", "192.0.2.9"),
    ],
)
def test_an_event_without_an_address_gets_that_of_the_gateways_caller(metadata: Any, own: str, expected: str) -> None:
    """What the event says itself stays."""
    event = Event(ip_address=own)
    context: Any = FakeContext(*metadata)
    fill_address((event,), context)
    assert event.ip_address == expected
