"""Keys while Postgres is away: a worker that starts then still knows them, and events are stored exactly once."""

import os
import signal
import uuid
from pathlib import Path

import grpc
import orjson
import pytest

from server.access.guard import MAX_CREDENTIAL_BYTES
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest
from storage.keys.snapshot import FILE
from tests.acceptance.running import WORKER, Service, eventually, totals
from tests.acceptance.samples import view
from tests.acceptance.test_outage import frozen_postgres
from tests.access.guarded import GuardedService, Made, bearer, code_of, guarded_service


def track(service: GuardedService, key: Made, event_id: str) -> EventStatus:
    """Send an event with a key."""
    request = TrackRequest(event=view(event_id=event_id))
    answer = service.stub.Track(request, metadata=bearer(key.text), timeout=20)
    status: EventStatus = answer.status
    return status


@pytest.mark.slow
def test_a_worker_that_starts_without_postgres_takes_events_by_the_keys_of_the_snapshot(made_data_dir: Path) -> None:
    """Revoked keys stay revoked, unknown ones unknown, and every event is stored once."""
    with guarded_service(made_data_dir, ANALYTICS_GATEWAY="off", ANALYTICS_WORKERS="1") as service:
        good, revoked = service.make_key("ingest"), service.make_key("ingest")
        ids = [str(uuid.uuid4()) for _ in range(20)]
        assert track(service, good, ids[0]) == EventStatus.EVENT_STATUS_STORED
        assert track(service, revoked, ids[1]) == EventStatus.EVENT_STATUS_STORED
        service.revoke(revoked)
        eventually("the snapshot is new", lambda: _has_only(made_data_dir, good, revoked))
        with frozen_postgres(service):
            (worker,) = service.pids(WORKER)
            os.kill(worker, signal.SIGKILL)
            service.close_channel()
            eventually("a new worker takes events", lambda: _takes_events(service, worker), timeout_s=60)
            assert [track(service, good, each) for each in ids[2:]] == [EventStatus.EVENT_STATUS_SPOOLED] * 18
            for key in (revoked.text, revoked.text[:-1] + "0", "x" * MAX_CREDENTIAL_BYTES):
                assert _track_code(service, key) is grpc.StatusCode.UNAUTHENTICATED
        eventually("the spool is stored", lambda: totals(service)["spooled"] == 0, timeout_s=60)
        assert [track(service, good, each) for each in ids] == [EventStatus.EVENT_STATUS_DUPLICATE] * 20
        assert totals(service)["stored"] == 20


def _snapshot_ids(data_dir: Path) -> set[str]:
    path = data_dir / FILE
    return {key["id"] for key in orjson.loads(path.read_bytes())["keys"]} if path.exists() else set()


def _has_only(data_dir: Path, good: Made, revoked: Made) -> bool:
    ids = _snapshot_ids(data_dir)
    return good.id in ids and revoked.id not in ids


def _takes_events(service: Service, before: int) -> bool:
    pids = service.pids(WORKER)
    return bool(pids) and before not in pids and service.health("ingest") == "SERVING"


def _track_code(service: GuardedService, credential: str) -> grpc.StatusCode:
    request = TrackRequest(event=view())
    return code_of(lambda: service.stub.Track(request, metadata=bearer(credential), timeout=20))
