"""Servers are restarted one after the other, and Envoy is replaced, while callers track events."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Service, eventually, totals
from tests.gateway.http import call
from tests.gateway.load import CALLERS, Load
from tests.gateway.running import running_gateway
from tests.stored import stored_ids


@pytest.mark.slow
def test_a_rolling_restart_fails_no_request_and_loses_no_event(database_url: str, tmp_path: Path) -> None:
    """Every request is answered 200 or 503 with retry-after, and exactly the acknowledged events are stored.

    Both servers are restarted, Envoy is replaced, and at last it is drained, while callers keep their connections.
    """
    shared: dict[str, Any] = {"DATABASE_URL": database_url, "ANALYTICS_WORKERS": "1", "ANALYTICS_IP_HASH_KEY": "k" * 32}
    servers = [Service(tmp_path / name, command="serve", **shared) for name in ("first", "second")]
    addresses = (server.address for server in servers)
    with servers[0], servers[1], running_gateway(tmp_path / "gateway", *addresses) as (gateway, port):
        eventually("a server is well", lambda: call(port, "GET", "/events/health").status == 200)
        with Load(port) as load:
            for server in servers:
                load.wait_for_more()
                assert server.stop() == 0
                load.wait_for_more()
                server.start()
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGUSR2)
            eventually("Envoy is replaced", lambda: "gateway_replaced" in gateway.output())
            load.wait_for_more()
            load.may_be_turned_away = True
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.wait() == 0
        assert not load.failures, (load.failures[:3], gateway.output()[-2000:])
        assert load.connections < len(load.stored) / 2
        counted = totals(servers[0], DATABASE_URL=database_url)
    assert len(set(load.stored)) == len(load.stored)
    with asyncio.Runner() as runner:
        rows = runner.run(stored_ids(database_url))
    assert len(rows) == len(set(rows)) == counted["stored"]
    assert counted["rejected"] == counted["spooled"] == 0
    # A caller that is cut off while it waits may have stored one event that it never heard of.
    assert set(load.stored) <= set(rows)
    assert len(rows) - len(load.stored) <= CALLERS
