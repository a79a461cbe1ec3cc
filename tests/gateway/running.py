"""`analytics gateway` in front of servers that a test runs itself, and what its Envoy takes up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.envoy_process import EnvoyMissingError, find_envoy
from tests.acceptance.running import Service, eventually, free_port

ENVOY = "envoy\0--config-path"
"""What the command line of an Envoy holds."""


def need_envoy() -> Path:
    """Find Envoy, or skip and say why."""
    try:
        return find_envoy()
    except EnvoyMissingError as exc:
        pytest.skip(str(exc))


@contextmanager
def running_gateway(
    folder: Path, *upstreams: str, first: str = "", **environment: str
) -> Iterator[tuple[Service, int]]:
    """Run `analytics gateway` in front of `upstreams`, each HOST:PORT; yields its process and its port."""
    need_envoy()
    port = free_port()
    settings: dict[str, Any] = {"PORT": str(port), "ANALYTICS_UPSTREAMS": ",".join(upstreams), **environment}
    gateway = Service(folder, command="gateway", first=first, **settings)
    gateway.spawn()
    try:
        eventually("the gateway serves", lambda: "gateway_serving" in gateway.output())
        yield gateway, port
        if gateway.process is not None and gateway.process.poll() is None:
            assert gateway.stop() == 0
    finally:
        gateway.kill()


def memory_mb(gateway: Service) -> float:
    """Read what memory the Envoy of a service holds, in MB of 10^6 bytes."""
    (envoy,) = gateway.pids(ENVOY)
    status = Path(f"/proc/{envoy}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024 / 1e6
