"""The same event is stored once, however and whenever it is sent again."""

import json
import os
import signal
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.protobuf import json_format

from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest
from tests.acceptance.running import WORKER, Service
from tests.acceptance.samples import EXAMPLES, track

STORED, DUPLICATE = EventStatus.EVENT_STATUS_STORED, EventStatus.EVENT_STATUS_DUPLICATE


def stored_ids(service: Service, user_id: str) -> list[str]:
    """List the ids of a user's stored events."""
    answer = service.stub.ListEvents(ListEventsRequest(user_id=user_id, page_size=1000), timeout=10)
    return [event.event_id for event in answer.events]


@pytest.mark.parametrize("timed", [True, False], ids=["with a timestamp", "without a timestamp"])
def test_stores_a_repeated_event_once(service: Service, *, timed: bool) -> None:
    """The second sending is acknowledged as a duplicate."""
    user = f"user-{uuid.uuid4()}"
    request = track(user_id=user)
    if timed:
        request.event.timestamp.GetCurrentTime()
    assert service.stub.Track(request, timeout=5).status == STORED
    assert service.stub.Track(request, timeout=5).status == DUPLICATE
    assert stored_ids(service, user) == [request.event.event_id]


def test_stores_once_what_50_clients_send_at_once(service: Service) -> None:
    """One of them stores, and all of them are told that the event is safe."""
    user = f"user-{uuid.uuid4()}"
    request = track(user_id=user)
    with ThreadPoolExecutor(50) as clients:
        statuses = Counter(clients.map(lambda _: service.stub.Track(request, timeout=10).status, range(50)))
    assert statuses == {STORED: 1, DUPLICATE: 49}
    assert len(stored_ids(service, user)) == 1


def test_assigns_ids_to_events_that_have_none(service: Service) -> None:
    """Events without an id are different events; each answer tells the id it got."""
    user = f"user-{uuid.uuid4()}"
    ids = {service.stub.Track(track(user_id=user, event_id=""), timeout=5).event_id for _ in range(3)}
    assert set(stored_ids(service, user)) == ids
    assert {uuid.UUID(event_id).version for event_id in ids} == {7}


@pytest.mark.parametrize("form", ["data", "typed"])
def test_takes_the_json_examples_of_the_original_request(service: Service, form: str) -> None:
    """The examples parse as they stand, store, and read back typed with the same values."""
    user = f"user-{uuid.uuid4()}"
    examples = [(event_type, json.loads(text)["data"]) for event_type, text in EXAMPLES.items()]
    for event_type, data in examples:
        payload = {"eventType": event_type, "data": data} if form == "data" else {event_type: data}
        text = json.dumps({"userId": user, "sessionId": "session-456", "schemaVersion": "1.1.0", **payload})
        event = json_format.Parse(text, Event())
        assert service.stub.Track(TrackRequest(event=event), timeout=5).status == STORED
    answer = service.stub.ListEvents(ListEventsRequest(user_id=user), timeout=5)
    read = {event.WhichOneof("payload"): event for event in answer.events}
    for event_type, data in examples:
        assert json_format.MessageToDict(getattr(read[event_type], event_type)) == data
        assert read[event_type].event_type == event_type
        assert read[event_type].schema_version == "1.1.0"


def test_keeps_an_acknowledged_event_through_kill_9_of_everything(made_data_dir: Path) -> None:
    """Right after the acknowledgement every process is killed; after the restart the event is there, once."""
    user = f"user-{uuid.uuid4()}"
    with Service(made_data_dir) as service:
        request = track(user_id=user)
        assert service.stub.Track(request, timeout=5).status == STORED
        worker, *_ = service.pids(WORKER)
        os.kill(worker, signal.SIGKILL)
        for postgres in service.pids("postgres"):
            os.kill(postgres, signal.SIGKILL)
        service.kill()
        service.start()
        assert stored_ids(service, user) == [request.event.event_id]
        assert service.stub.Track(request, timeout=5).status == DUPLICATE
        assert service.stub.Track(track(user_id=user), timeout=5).status == STORED
        assert len(stored_ids(service, user)) == 2
