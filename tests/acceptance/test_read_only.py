"""A database that answers and takes no writes is an outage like any other: after a fail-over, or with a full disk."""

import asyncio
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest
from tests.acceptance.running import Service, eventually, totals
from tests.acceptance.samples import view

STORED, SPOOLED = EventStatus.EVENT_STATUS_STORED, EventStatus.EVENT_STATUS_SPOOLED
CALLERS = 4
READ_ONLY_S = 12.0
"""Several times the two seconds for which a write is tried again, and the pauses between two looks at the database."""
AT_ONCE_S = 1.5
"""Less than those two seconds; far more than an acknowledgement from the spool takes on a busy machine."""


def set_read_only(service: Service, value: str) -> None:
    """Make every transaction of the service's Postgres read-only by default, as a demoted server's are, or end that."""

    async def run() -> None:
        url = f"postgresql://postgres@/analytics?host={service.data_dir / 'run'}&port=5432"
        connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
        try:
            await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

    asyncio.run(run())


class Load:
    """Callers who track one event after the other, and what each was answered, and how fast."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(CALLERS)]
        self.answers: list[tuple[float, float, int]] = []
        """When each answer came, after how many seconds, and its status."""

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._stop.wait(0.02):
            asked_s = time.monotonic()
            request = TrackRequest(event=view(event_id=str(uuid.uuid4())))
            status = self._service.stub.Track(request, timeout=20).status
            answered_s = time.monotonic()
            self.answers.append((answered_s, answered_s - asked_s, status))


@pytest.mark.slow
@pytest.mark.finding(3)
def test_a_read_only_database_is_one_outage_and_not_many(made_data_dir: Path) -> None:
    """Callers wait once, then they are acknowledged from the spool at once; all is stored once afterwards."""
    with Service(made_data_dir, ANALYTICS_WORKERS="1") as service:
        load = Load(service)
        load.start()
        eventually("events are stored", lambda: load.answers)
        set_read_only(service, "on")
        eventually("events are spooled", lambda: any(answer[2] == SPOOLED for answer in load.answers))
        from_s = time.monotonic() + AT_ONCE_S  # those who waited for the first look have their answers by then
        eventually("it stays so for a while", lambda: time.monotonic() > from_s + READ_ONLY_S)
        to_s = time.monotonic()
        set_read_only(service, "off")
        eventually("events are stored again", lambda: load.answers[-1][2] == STORED)
        load.stop()
        during = [answer for answer in load.answers if from_s < answer[0] < to_s]
        assert len(during) > 100
        assert {status for _, _, status in during} == {SPOOLED}
        assert max(seconds for _, seconds, _ in during) < AT_ONCE_S
        sent = len(load.answers)
        eventually("the spool is empty", lambda: totals(service)["spooled"] == 0)
        assert Counter(totals(service)) == Counter(received=sent, stored=sent)
        eventually("each is there once", lambda: service.count_events() == sent)
        output = service.output()
        assert (output.count("spooling_started"), output.count("spooling_ended")) == (1, 1)
        assert "ReadOnlySQLTransactionError 25006" in output
        assert "process_died" not in output
