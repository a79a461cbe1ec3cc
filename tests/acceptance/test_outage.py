"""While Postgres is away events are taken all the same, and nothing is lost, doubled or miscounted."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackBatchRequest, TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import WORKER, Service, eventually, fails_with, free_port, scrape, totals
from tests.acceptance.samples import reason, retry_delay_s, track, view, violations

STORED, DUPLICATE = EventStatus.EVENT_STATUS_STORED, EventStatus.EVENT_STATUS_DUPLICATE
SPOOLED = EventStatus.EVENT_STATUS_SPOOLED


@contextmanager
def frozen_postgres(service: Service) -> Iterator[None]:
    """Stop every process of the service's Postgres, as a hanging disk would; let them go on at the end."""
    pids = service.pids("postgres")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_events_of_an_outage_are_spooled_and_stored_afterwards(made_data_dir: Path) -> None:
    """Single ones and streams, good and bad: acknowledged at once, stored in order, each once, counted once."""
    user = f"user-{uuid.uuid4()}"
    with Service(made_data_dir) as service:
        before = track(user_id=user)
        assert service.stub.Track(before, timeout=5).status == STORED
        with frozen_postgres(service):
            assert service.stub.Track(track(user_id=user), timeout=15).status == SPOOLED
            eventually("storage is told gone", lambda: service.health("storage") == "NOT_SERVING")
            assert service.health("ingest") == "SERVING"
            with fails_with(grpc.StatusCode.DEADLINE_EXCEEDED):
                service.stub.GetDashboard(GetDashboardRequest(), timeout=2)
            assert service.health() == "NOT_SERVING"
            events = [view(user_id=user) for _ in range(50)] + [Event(view=ViewEvent()), before.event]
            answer = service.stub.TrackBatch(iter([TrackBatchRequest(events=events)]), timeout=5)
            assert (answer.received, answer.spooled, answer.rejected) == (52, 51, 1)
            with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
                service.stub.Track(TrackRequest(event=Event(view=ViewEvent())), timeout=5)
        eventually("everything is stored", lambda: service.count_events() == 52)
        eventually("health says so", lambda: service.health() == service.health("storage") == "SERVING")
        assert service.stub.Track(TrackRequest(event=events[0]), timeout=5).status == DUPLICATE
        eventually("the spool is empty", lambda: totals(service)["spooled"] == 0)
        assert totals(service) == {
            "received": 56,
            "stored": 52,
            "duplicates": 2,
            "rejected": 2,
            "spooled": 0,
            "set_aside": 0,
        }
        for line in ("spooling_started", "spooling_ended", "spool_drained"):
            assert service.output().count(line) == 1
        assert "user-" not in service.output()


@pytest.mark.slow
def test_what_was_spooled_survives_the_death_of_everything(made_data_dir: Path) -> None:
    """The next process drains what the killed one had acknowledged."""
    with Service(made_data_dir) as service:
        with frozen_postgres(service):
            assert service.stub.Track(track(), timeout=15).status == SPOOLED
            events = [view() for _ in range(20)]
            answer = service.stub.TrackBatch(iter([TrackBatchRequest(events=events)]), timeout=5)
            assert answer.spooled == 20
            for pid in (*service.pids(WORKER), *service.pids("postgres")):
                os.kill(pid, signal.SIGKILL)
            service.kill()
        service.start()
        eventually("everything is stored", lambda: service.count_events() == 21)
        eventually("the spool is empty", lambda: totals(service)["spooled"] == 0)
        assert totals(service)["received"] == totals(service)["stored"] == 21


@pytest.mark.slow
def test_a_full_spool_refuses_retriably(made_data_dir: Path) -> None:
    """What it has acknowledged it keeps; the rest is told to come again, and may."""
    with Service(made_data_dir, ANALYTICS_SPOOL_MAX_BYTES="400000") as service:
        spooled = 0
        with frozen_postgres(service):
            with fails_with(grpc.StatusCode.UNAVAILABLE) as caught:
                for _ in range(100):
                    message = TrackBatchRequest(events=[view(user_agent="x" * 500) for _ in range(50)])
                    spooled += service.stub.TrackBatch(iter([message]), timeout=15).spooled
            assert reason(caught[0]) == "SPOOL_FULL"
            assert retry_delay_s(caught[0])
            assert spooled > 0
            eventually("ingest is told not serving", lambda: service.health("ingest") == "NOT_SERVING")
        eventually("everything acknowledged is stored", lambda: service.count_events() >= spooled)
        eventually("ingest serves", lambda: service.health("ingest") == "SERVING")
        assert service.stub.TrackBatch(iter([message]), timeout=5).received == 50
        eventually("the spool is empty", lambda: totals(service)["spooled"] == 0)
        assert service.count_events() == spooled + 50


def test_another_event_under_a_stored_id_is_a_conflict(service: Service) -> None:
    """Track says so by a code of its own, a batch by the reason; the stored event stays."""
    first = track()
    assert service.stub.Track(first, timeout=5).status == STORED
    other = view(event_id=first.event.event_id, user_id="somebody-else")
    with fails_with(grpc.StatusCode.ALREADY_EXISTS) as caught:
        service.stub.Track(TrackRequest(event=other), timeout=5)
    assert reason(caught[0]) == "ID_CONFLICT"
    assert violations(caught[0]) == {"event_id": "ID_CONFLICT"}
    answer = service.stub.TrackBatch(iter([TrackBatchRequest(events=[view(), other, first.event])]), timeout=5)
    assert (answer.stored, answer.duplicates, answer.rejected) == (1, 1, 1)
    assert [(item.index, item.event_id, item.reason) for item in answer.rejections] == [
        (1, other.event_id, "ID_CONFLICT")
    ]


@pytest.mark.slow
def test_metrics_tell_the_same_figures_as_the_command(made_data_dir: Path) -> None:
    """Prometheus reads them over HTTP, and a restart does not set them back."""
    port = free_port()
    data = Struct()
    data.update({"contentType": "post"})
    with Service(made_data_dir, ANALYTICS_METRICS_PORT=str(port)) as service:
        request = track()
        for status in (STORED, DUPLICATE):
            assert service.stub.Track(request, timeout=5).status == status
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT):
            service.stub.Track(TrackRequest(event=Event(event_type="view", data=data)), timeout=5)
        assert f"http://127.0.0.1:{port}/metrics" in service.output()
        for is_restarted in (False, True):
            if is_restarted:
                service.stop()
                service.start()
            found = scrape(port)
            assert found["analytics_storage_up"] == 1
            for outcome, count in totals(service).items():
                if outcome in ("stored", "duplicates", "rejected"):
                    assert found[f'analytics_ingest_events_total{{outcome="{outcome}"}}'] == count == 1
            assert found["analytics_ingest_spooled_events"] == 0
            assert found["analytics_database_bytes"] > 1_000_000
