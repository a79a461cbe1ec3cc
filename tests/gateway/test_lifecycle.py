"""What becomes of the gateway when its processes are killed, and when its port is taken."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.acceptance.running import Service, eventually, free_port
from tests.gateway.http import call
from tests.gateway.running import ENVOY, need_envoy


@pytest.mark.parametrize("role", [ENVOY, "cli\0gateway"], ids=["Envoy", "its runner"])
def test_a_gateway_that_is_killed_comes_back(made_data_dir: Path, role: str) -> None:
    """`analytics up` starts it again on the same port, and leaves nothing behind."""
    need_envoy()
    port = free_port()
    with Service(made_data_dir, PORT=str(port), ANALYTICS_GATEWAY="auto") as service:
        (killed,) = service.pids(role)
        os.kill(killed, signal.SIGKILL)
        eventually("the gateway is back", lambda: service.output().count("gateway_serving") == 2)
        assert call(port, "GET", "/events/health").status == 200
        assert "child_restarted" in service.output()
        assert len(service.pids(ENVOY)) == 1
        assert service.stop() == 0
        assert service.pids(ENVOY) == []


@pytest.mark.parametrize("command", ["up", "gateway"])
def test_a_taken_port_is_told_before_anything_starts(data_dir: Path, command: str) -> None:
    """The message names the port and what to do, and the exit code is 3."""
    need_envoy()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = Service(data_dir, command=command, PORT=str(port), ANALYTICS_GATEWAY="auto").spawn()
        assert service.wait() == 3
    assert f"cannot listen on 127.0.0.1:{port}" in service.output()
    assert "set PORT" in service.output()
    assert not (data_dir / "postgres").exists()
