"""An event that is sent again after a new schema version was deployed is the same event."""

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, totals
from tests.acceptance.test_new_event_type import LAST_VERSION, LOOPS, NEXT_VERSION, REFERRER
from tests.changed_protos import copy_protos, generate_code


def make_events() -> list[Event]:
    """Make a typed event, one with `data`, one without a timestamp and one of a wrong clock; none names a version."""
    data = Struct()
    data.update({"contentType": "post", "contentId": "post-1"})
    events = [
        Event(view=ViewEvent(content_type="post", content_id="post-1", scroll_depth=0.8)),
        Event(event_type="view", data=data),
        Event(view=ViewEvent(content_type="post", content_id="post-2")),
        Event(view=ViewEvent(content_type="post", content_id="post-3"), ip_address="192.0.2.7"),
    ]
    now = datetime.now(UTC)
    for event in events:
        event.event_id, event.user_id = str(uuid.uuid4()), "user-1"
    for event in events[:2]:
        event.timestamp.FromDatetime(now - timedelta(minutes=5))
    events[3].timestamp.FromDatetime(now - timedelta(hours=5))
    return events


def send(service: Service, events: list[Event], clock: timedelta) -> tuple[int, int, int]:
    """Send events with a fresh `sent_at` of a client whose clock is wrong by so much; answer what became of them."""
    for event in events:
        event.sent_at.FromDatetime(datetime.now(UTC) + clock)
    answer = service.stub.TrackBatch(iter([TrackBatchRequest(events=events)]), timeout=20)
    return answer.stored, answer.duplicates, answer.rejected


@pytest.mark.slow
@pytest.mark.finding(5)
def test_a_repeated_import_is_a_duplicate_after_the_next_version(made_data_dir: Path, tmp_path: Path) -> None:
    """Whether it was tracked or imported, with or without a timestamp, with whatever `sent_at`, on whichever server."""
    events, imported = make_events(), make_events()
    with Service(made_data_dir) as service:
        assert send(service, events, timedelta(hours=-5)) == (4, 0, 0)
        assert send(service, events, timedelta(hours=-4)) == (0, 4, 0)
        assert service.stub.TrackEvents(TrackEventsRequest(events=imported, backfill=True), timeout=20).stored == 4
        service.stop()
    edits = {"view_event.proto": (REFERRER, LOOPS)}
    protos = copy_protos(tmp_path / "next", {}, edits)
    path = protos / "sociallive/analytics/v1/view_event.proto"
    path.write_text(path.read_text().replace(LAST_VERSION, NEXT_VERSION))
    with Service(made_data_dir, PYTHONPATH=str(generate_code(protos))) as service:
        assert send(service, events, timedelta(0)) == (0, 4, 0)
        again = service.stub.TrackEvents(TrackEventsRequest(events=imported, backfill=True), timeout=20)
        assert (again.stored, again.duplicates, again.rejected) == (0, 4, 0)
        newest = Event(event_id=str(uuid.uuid4()), view=ViewEvent(content_type="post", content_id="post-4"))
        assert send(service, [newest], timedelta(0)) == (1, 0, 0)
        listed = service.stub.ListEvents(ListEventsRequest(), timeout=10).events
        assert Counter(event.schema_version for event in listed) == {"1.1.0": 8, "1.2.0": 1}
        assert totals(service)["rejected"] == 0
