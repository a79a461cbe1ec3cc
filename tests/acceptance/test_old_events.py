"""Events of any age are stored like all others, beside live ones: no table is made for them, and nothing is refused."""

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from server.ingest.intake import MAX_EVENTS_PER_MESSAGE
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackBatchRequest, TrackRequest
from tests.acceptance.running import Service
from tests.acceptance.samples import track, view
from tests.stored import stored_rows

DAY = timedelta(days=1)
FILE_DAYS, FILE_EVENTS_A_DAY = 548, 20
LATE_DAYS = 89
LATE_EVENTS = 200
MOST_TRANSACTIONS = 8
"""Of one message: the writer takes all of it at once, but for what live events come between."""


@contextmanager
def live_events(service: Service) -> Iterator[Counter[str]]:
    """Track events one after the other meanwhile, and count the answers."""
    answers: Counter[str] = Counter()
    ending = threading.Event()

    def track_on() -> None:
        while not ending.is_set():
            status = service.stub.Track(track(user_id="live"), timeout=20).status
            answers[EventStatus.Name(status)] += 1

    thread = threading.Thread(target=track_on)
    thread.start()
    try:
        yield answers
    finally:
        ending.set()
        thread.join()


def look(service: Service) -> dict[str, int]:
    """Count what an import must not multiply: tables, and blocks beside the events in them."""

    async def run() -> dict[str, int]:
        connection = await asyncpg.connect(service.database_url)
        try:
            return {
                "tables": await connection.fetchval("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')"),
                "blocks": await connection.fetchval("SELECT count(*) FROM analytics_blocks WHERE rows > 100"),
            }
        finally:
            await connection.close()

    return asyncio.run(run())


def count_days(service: Service, user_id: str) -> Counter[datetime]:
    """Count a user's stored events by day."""
    rows = asyncio.run(stored_rows(service.database_url))
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    return Counter(row["timestamp"].replace(**midnight) for row in rows if row["user_id"] == user_id)


@pytest.mark.slow
def test_old_events_of_any_day_are_stored_beside_live_ones(made_data_dir: Path, tmp_path: Path) -> None:
    """As many days as a message can hold, 18 months in one file, and events that come 89 days late."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Service(made_data_dir, command="serve", ANALYTICS_WORKERS="1") as service:
        before = look(service)
        with live_events(service) as answers:
            message = TrackBatchRequest(backfill=True)
            for number in range(MAX_EVENTS_PER_MESSAGE):
                event = view(user_id="many-days")
                event.timestamp.FromDatetime(today - number * DAY)
                message.events.append(event)
            told = service.stub.TrackBatch(iter([message]), timeout=60)
            assert (told.stored, told.rejected) == (MAX_EVENTS_PER_MESSAGE, 0)
            after = look(service)
            assert after["tables"] == before["tables"]
            assert 1 <= after["blocks"] <= MOST_TRANSACTIONS

            file = tmp_path / "months.ndjson"
            file.write_text("\n".join(map(json.dumps, old_records(today))))
            command = [sys.executable, "-m", "cli", "import", str(file), "--json", "--address", service.address]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            assert json.loads(done.stdout)["stored"] == FILE_DAYS * FILE_EVENTS_A_DAY
            assert look(service)["tables"] == before["tables"]

            for number in range(LATE_EVENTS):
                late = view(user_id="late")
                late.timestamp.FromDatetime(datetime.now(UTC) - LATE_DAYS * DAY + timedelta(seconds=number))
                assert service.stub.Track(TrackRequest(event=late), timeout=20).status == (
                    EventStatus.EVENT_STATUS_STORED
                )
        assert set(answers) == {"EVENT_STATUS_STORED"}, "live events go on all the time"
        assert set(count_days(service, "many-days").values()) == {1}
        assert len(count_days(service, "many-days")) == MAX_EVENTS_PER_MESSAGE
        assert set(count_days(service, "months").values()) == {FILE_EVENTS_A_DAY}
        assert count_days(service, "late").total() == LATE_EVENTS


def old_records(today: datetime) -> Iterator[dict[str, object]]:
    """Make the records of a file of 18 months, newest day first."""
    for number in range(FILE_DAYS):
        for place in range(FILE_EVENTS_A_DAY):
            moment = today - number * DAY - timedelta(seconds=1 + place)
            yield {
                "timestamp": f"{moment:%FT%TZ}",
                "userId": "months",
                "view": {"contentType": "post", "contentId": f"{place}"},
            }
