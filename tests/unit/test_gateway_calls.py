"""Calls from the gateway: whose address an event gets."""

from typing import Any

import pytest

from gateway import headers
from server.rpc.gateway_calls import address_of_caller, read_headers


class FakeContext:
    """The metadata of a call."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Answer as grpc's context does."""
        return self._metadata


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), ""),
        (((headers.CLIENT_ADDRESS, "192.0.2.1"),), "192.0.2.1"),
        (((headers.CLIENT_ADDRESS, "192.0.2.1"), (headers.CLIENT_ADDRESS, "192.0.2.2")), "192.0.2.1"),
    ],
)
def test_the_gateway_says_where_its_caller_is(metadata: Any, expected: str) -> None:
    """A direct call says nothing, and of two addresses the first counts."""
    context: Any = FakeContext(*metadata)
    read_headers(context)
    assert address_of_caller() == expected
