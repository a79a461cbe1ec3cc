"""A client that follows docs/errors.md loses nothing and stores nothing twice while its server is killed or stopped."""

import os
import signal
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from cli.client import CallError
from cli.import_.sender import is_retried, wait_before_retry_s
from server.rpc.error_reasons import BROKEN_CONNECTIONS, REASONS
from sociallive.analytics.v1.track_pb2 import EventStatus
from tests.acceptance.running import WORKER, Service, eventually
from tests.acceptance.samples import reason, retry_delay_s, track

CALLERS = 8
EVENTS_EACH = 60
STORED, DUPLICATE = EventStatus.EVENT_STATUS_STORED, EventStatus.EVENT_STATUS_DUPLICATE


class Callers:
    """Callers that send events of their own, each again as long as its error is worth it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.errors: Counter[tuple[str, str, bool]] = Counter()
        """By code, reason, and whether there was a RetryInfo."""
        self.given_up: list[Any] = []
        self.statuses: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send_all) for _ in range(CALLERS)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all have sent all of theirs."""
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive()

    def _send_all(self) -> None:
        for _ in range(EVENTS_EACH):
            status = self._send(track(event_id=str(uuid.uuid4()), user_id="retries"))
            with self._lock:
                self.statuses[status] += 1

    def _send(self, request: Any) -> int:
        attempt = 0
        while True:
            attempt += 1
            try:
                return int(self._service.stub.Track(request, timeout=10).status)
            except grpc.RpcError as exc:
                delay_s = retry_delay_s(exc) if reason(exc) else None
                with self._lock:
                    self.errors[exc.code().name, reason(exc), delay_s is not None] += 1
                    if not is_retried(CallError(exc, "here")):
                        self.given_up.append(exc)
                        return -1
            threading.Event().wait(wait_before_retry_s(attempt, delay_s))


@pytest.mark.finding(17)
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_every_error_at_the_end_of_a_worker_is_worth_sending_again(made_data_dir: Path, number: signal.Signals) -> None:
    """Whatever the code: it has a RetryInfo, or no reason and a code of a broken connection, and no event is lost."""
    with Service(made_data_dir) as service:
        callers = Callers(service)
        callers.start()
        for _ in range(2):
            before = sum(callers.statuses.values())
            eventually("some are stored", lambda before=before: sum(callers.statuses.values()) > before + 50)
            (victim,) = service.pids(WORKER)
            os.kill(victim, number)
            eventually("another worker", lambda victim=victim: service.pids(WORKER) not in ([], [victim]))
        callers.join()
        assert callers.given_up == []
        assert callers.errors
        for code, why, has_retry_info in callers.errors:
            assert has_retry_info if why else grpc.StatusCode[code] in BROKEN_CONNECTIONS
            assert not why or REASONS[why].retryable
        assert callers.statuses[STORED] + callers.statuses[DUPLICATE] == CALLERS * EVENTS_EACH
        eventually("each is stored once", lambda: service.count_events() == CALLERS * EVENTS_EACH)
