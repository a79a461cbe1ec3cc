"""Servers are restarted one after the other, and Envoy is replaced, while callers track events."""

import asyncio
import http.client
import json
import signal
import threading
import uuid
from pathlib import Path
from typing import Any, Self

import asyncpg

from tests.acceptance.running import Service, eventually, totals
from tests.gateway.http import TIMEOUT_S, call
from tests.gateway.running import running_gateway

CALLERS = 8


class Load:
    """Callers that track events without a pause, each over a kept connection, and send again what was answered 503."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CALLERS)]
        self.stored: list[str] = []
        self.retried = 0
        self.connections = 0
        self.failures: list[Any] = []
        self.may_be_turned_away = False

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
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
            try:
                connection.connect()
                self.connections += 1
                event_id = self._use(connection, event_id)
            except (OSError, http.client.HTTPException) as exc:
                if not self.may_be_turned_away:
                    self.failures.append(exc)
                return
            finally:
                connection.close()

    def _use(self, connection: http.client.HTTPConnection, event_id: str) -> str:
        """Track over a connection until it is to be closed; return the id to go on with.

        Raises:
            OSError: the very first call fails: the port has closed.
        """
        asked = 0
        while not self._stop.is_set():
            try:
                status, retry_after, closes = self._track(connection, event_id)
            except (OSError, http.client.HTTPException) as exc:
                if not asked:
                    raise
                self.failures.append(exc)
                return event_id
            asked += 1
            if status == 503 and retry_after:
                self.retried += 1
                self._stop.wait(0.2)
            elif status == 200:
                self.stored.append(event_id)
                event_id = str(uuid.uuid4())
            else:
                self.failures.append(status)
            if closes:
                break
        return event_id

    def _track(self, connection: http.client.HTTPConnection, event_id: str) -> tuple[int, str | None, bool]:
        """Track an event; return status, `retry-after`, and whether the connection is to be closed."""
        event = {"eventId": event_id, "eventType": "view", "data": {"contentType": "post", "contentId": "p"}}
        sent = {"content-type": "application/json"}
        connection.request("POST", "/analytics/events/track", json.dumps(event), sent)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("retry-after"), answer.will_close


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
                _wait_for_more(load)
                assert server.stop() == 0
                _wait_for_more(load)
                server.start()
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            eventually("Envoy is replaced", lambda: "gateway_replaced" in gateway.output())
            _wait_for_more(load)
            load.may_be_turned_away = True
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.wait() == 0
        assert not load.failures, (load.failures[:3], gateway.output()[-2000:])
        assert load.connections < len(load.stored) / 2
        counted = totals(servers[0], DATABASE_URL=database_url)
    assert len(set(load.stored)) == len(load.stored)
    rows = _stored(database_url)
    assert len(rows) == len(set(rows)) == counted["stored"]
    assert counted["rejected"] == counted["spooled"] == 0
    # A caller that is cut off while it waits may have stored one event that it never heard of.
    assert set(load.stored) <= set(rows)
    assert len(rows) - len(load.stored) <= CALLERS


def _wait_for_more(load: Load) -> None:
    before = len(load.stored)
    eventually("events are stored", lambda: load.failures or len(load.stored) > before + 50)


def _stored(database_url: str) -> list[str]:
    async def read() -> list[str]:
        connection = await asyncpg.connect(database_url)
        try:
            return [str(row[0]) for row in await connection.fetch("SELECT event_id FROM analytics_events")]
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(read())
