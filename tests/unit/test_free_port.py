"""The ports that tests hand to what they start."""

import socket

import pytest

from tests.acceptance.running import free_port


@pytest.mark.finding(35)
def test_a_port_is_kept_for_the_test_that_asked_for_it() -> None:
    """Nobody else gets it from the kernel, calls are refused, and a server of the test may listen there."""
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port)).close()
