"""The event examples and schema versions of the request for this product, verbatim, against a running service."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackEventsRequest, TrackRequest
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import EXAMPLES, violations

SCHEMA_VERSIONS_TEXT = """const SCHEMA_VERSIONS = {
  '1.0.0': {
    view: ['contentType', 'contentId'],
    engagement: ['action', 'targetType', 'targetId'],
  },
  '1.1.0': {
    view: ['contentType', 'contentId', 'viewDuration', 'scrollDepth'],
    engagement: ['action', 'targetType', 'targetId', 'metadata'],
  },
};"""
"""As it stands in the request."""


def read_versions(text: str) -> dict[str, dict[str, list[str]]]:
    """Read the fields by version and event type: the text is JSON, but for bare keys, quotes and trailing commas."""
    literal = text[text.index("{") : text.rindex("}") + 1]
    quoted = re.sub(r"(\w+):", r'"\1":', literal).replace("'", '"')
    versions: dict[str, dict[str, list[str]]] = json.loads(re.sub(r",(\s*[}\]])", r"\1", quoted))
    return versions


SCHEMA_VERSIONS = read_versions(SCHEMA_VERSIONS_TEXT)
VALUES: dict[str, Any] = {name: value for text in EXAMPLES.values() for name, value in json.loads(text)["data"].items()}
"""A value of each field: that of the examples."""
LISTED = [
    (version, event_type, field)
    for version, types in SCHEMA_VERSIONS.items()
    for event_type, fields in types.items()
    for field in fields
]
NEWER = [listed for listed in LISTED if listed[0] == "1.1.0" and ("1.0.0", *listed[1:]) not in LISTED]


def parse(values: dict[str, Any]) -> Event:
    """Parse an event as a JSON caller sends it."""
    return json_format.ParseDict(values, Event())


def data_of(event_type: str, version: str, *more: str) -> dict[str, Any]:
    """Make the data of an event: the fields that its first version lists, which are required, and more."""
    names = [*SCHEMA_VERSIONS["1.0.0"][event_type], *more]
    data = {name: VALUES[name] for name in names}
    return {"eventType": event_type, "schemaVersion": version, "data": data}


def stored(service: Service, user_id: str) -> Event:
    """Read the only event of a user back."""
    events: list[Event] = [*service.stub.ListEvents(ListEventsRequest(user_id=user_id), timeout=10).events]
    assert len(events) == 1
    return events[0]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_line_of_an_example_is_stored_as_it_stands(service: Service, name: str) -> None:
    """But for what only stands for a value: the id "uuid", a user of the test's own, and a time that is long ago."""
    sent = json.loads(EXAMPLES[name])
    event = parse(sent)
    event.user_id = f"{event.user_id}-{uuid.uuid4()}"
    event.timestamp.FromDatetime(datetime.now(UTC) - timedelta(minutes=1))
    if event.event_id:
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
            service.stub.Track(TrackRequest(event=event), timeout=5)
        assert violations(caught[0]) == {"event_id": "UUID"}
        event.event_id = str(uuid.uuid4())
    assert service.stub.Track(TrackRequest(event=event), timeout=5).status == EventStatus.EVENT_STATUS_STORED
    read = stored(service, event.user_id)
    assert json_format.MessageToDict(getattr(read, name)) == sent["data"]
    own = {"eventId", "userId", "timestamp", "data"}
    assert {key: json_format.MessageToDict(read).get(key) for key in sent.keys() - own} == {
        key: value for key, value in sent.items() if key not in own
    }


def test_the_time_of_the_example_is_taken_by_an_import(service: Service) -> None:
    """2024 is older than events are kept, so only an import may bring it; it is stored to the second."""
    event = parse(json.loads(EXAMPLES["view"]))
    event.event_id, event.user_id = str(uuid.uuid4()), f"user-{uuid.uuid4()}"
    answer = service.stub.TrackEvents(TrackEventsRequest(events=[event], backfill=True), timeout=5)
    assert (answer.stored, list(answer.rejections)) == (1, [])
    request = ListEventsRequest(user_id=event.user_id)
    request.start_time.FromJsonString("2024-01-01T00:00:00Z")
    request.end_time.FromJsonString("2024-01-02T00:00:00Z")
    (read,) = service.stub.ListEvents(request, timeout=10).events
    assert json_format.MessageToDict(read)["timestamp"] == "2024-01-01T12:00:00Z"


@pytest.mark.parametrize(("version", "event_type", "field"), LISTED)
def test_each_listed_field_is_accepted_in_its_version(
    service: Service, version: str, event_type: str, field: str
) -> None:
    """It is stored under that version with its value."""
    values = data_of(event_type, version, field)
    values["userId"] = f"user-{uuid.uuid4()}"
    answer = service.stub.Track(TrackRequest(event=parse(values)), timeout=5)
    assert answer.status == EventStatus.EVENT_STATUS_STORED
    read = stored(service, values["userId"])
    assert read.schema_version == version
    assert json_format.MessageToDict(getattr(read, event_type))[field] == VALUES[field]


@pytest.mark.parametrize(("event_type", "field"), [listed[1:] for listed in NEWER])
def test_a_field_of_the_newer_version_is_refused_in_the_older(service: Service, event_type: str, field: str) -> None:
    """The answer names the field, the version that it came with, and the event's."""
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.Track(TrackRequest(event=parse(data_of(event_type, "1.0.0", field))), timeout=5)
    assert [*violations(caught[0]).values()] == ["SINCE"]
    assert "1.1.0" in caught[0].details()


def test_the_lists_are_read_whole() -> None:
    """Thirteen mentions of a field, of which three came with the newer version."""
    assert len(LISTED) == 13
    assert NEWER == [
        ("1.1.0", "view", "viewDuration"),
        ("1.1.0", "view", "scrollDepth"),
        ("1.1.0", "engagement", "metadata"),
    ]
