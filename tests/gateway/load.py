"""Callers of the gateway that go on whatever happens behind it."""

import http.client
import json
import threading
import uuid
from typing import Any, Self

from tests.acceptance.running import eventually
from tests.gateway.http import TIMEOUT_S

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

    def wait_for_more(self) -> None:
        """Wait until more events are stored, or something has failed."""
        before = len(self.stored)
        eventually("events are stored", lambda: self.failures or len(self.stored) > before + 50)

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
