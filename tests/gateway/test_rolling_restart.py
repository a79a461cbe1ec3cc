"""Servers are restarted one after the other, and Envoy is replaced, while callers track events."""

import asyncio
import signal
import threading
import uuid
from pathlib import Path
from typing import Any, Self

import asyncpg
import pytest

from gateway.envoy_process import EnvoyMissingError, find_envoy
from tests.acceptance.running import Service, eventually, free_port
from tests.gateway.http import call

CALLERS = 8


class Load:
    """Callers that track events without a pause, and send again what was answered 503."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]
        self.stored: list[str] = []
        self.retried = 0
        self.failures: list[Any] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        event_id = str(uuid.uuid4())
        while not self._stop.is_set():
            event = {"eventId": event_id, "eventType": "view", "data": {"contentType": "post", "contentId": "p"}}
            try:
                answer = call(self._port, "POST", "/analytics/events/track", event)
            except OSError as exc:
                self.failures.append(exc)
                return
            if answer.status == 503 and answer.headers.get("retry-after"):
                self.retried += 1
                self._stop.wait(0.2)
            elif answer.status == 200:
                self.stored.append(event_id)
                event_id = str(uuid.uuid4())
            else:
                self.failures.append(answer)
                return


def test_a_rolling_restart_fails_no_request_and_loses_no_event(database_url: str, tmp_path: Path) -> None:
    """Every request is answered 200 or 503 with retry-after, and exactly the acknowledged events are stored."""
    try:
        find_envoy()
    except EnvoyMissingError as exc:
        pytest.skip(str(exc))
    shared: dict[str, Any] = {"DATABASE_URL": database_url, "ANALYTICS_WORKERS": "1", "ANALYTICS_IP_HASH_KEY": "k" * 32}
    servers = [Service(tmp_path / name, command="serve", **shared) for name in ("first", "second")]
    port = free_port()
    upstreams = ",".join(server.address for server in servers)
    gateway = Service(tmp_path / "gateway", command="gateway", PORT=str(port), ANALYTICS_UPSTREAMS=upstreams)
    with servers[0], servers[1]:
        gateway.spawn()
        try:
            eventually("the gateway serves", lambda: "gateway_serving" in gateway.output())
            eventually("a server is well", lambda: call(port, "GET", "/events/health").status == 200)
            with Load(port) as load:
                for server in servers:
                    _wait_for_more(load)
                    assert server.stop() == 0
                    _wait_for_more(load)
                    server.start()
                assert gateway.process is not None
                gateway.process.send_signal(signal.SIGHUP)
                eventually("Envoy is replaced", lambda: "gateway_replaced" in gateway.output())
                _wait_for_more(load)
            assert not load.failures, (load.failures[:3], gateway.output()[-2000:])
            assert gateway.stop() == 0
        finally:
            gateway.kill()
    assert len(set(load.stored)) == len(load.stored)
    _assert_stored(database_url, set(load.stored))


def _wait_for_more(load: Load) -> None:
    before = len(load.stored)
    eventually("events are stored", lambda: load.failures or len(load.stored) > before + 50)


def _assert_stored(database_url: str, acknowledged: set[str]) -> None:
    async def read() -> list[str]:
        connection = await asyncpg.connect(database_url)
        try:
            return [str(row[0]) for row in await connection.fetch("SELECT event_id FROM analytics_events")]
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        rows = runner.run(read())
    assert len(rows) == len(set(rows))
    # A caller that stopped in mid-retry may have stored one event that it never heard of.
    assert acknowledged <= set(rows)
    assert len(rows) - len(acknowledged) <= CALLERS
