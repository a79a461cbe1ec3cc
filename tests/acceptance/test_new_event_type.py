"""A new event type and a new version are one .proto file, one line of the oneof, and no line of Python.

The .proto files are changed in a temporary folder as docs/adding-an-event-type.md describes. Their code is generated
there, and the service runs with that code in front on its path.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tests.acceptance.running import Service
from tests.changed_protos import add_event_type, generate_code, read_pool
from tests.conftest import copy_data_dir

FOLLOW = """
// Somebody follows somebody.
message FollowEvent {
  option (event_type) = {
    name: "follow"
    versions: [
      {version: "1.0.0" released: "2026-01-01"},
      {version: "1.2.0" released: "2026-06-01" upcasts: [{field: "source" value: "\\"unknown\\""}]}
    ]
  };

  // Who is followed.
  string followed_id = 1 [(rules) = {required: true max_length: 64}];
  // Where the button was.
  string source = 2 [(rules) = {since: "1.2.0" max_length: 64}];
}
"""
LAST_VERSION = """      {
        version: "1.1.0"
        released: "2024-06-01"
      }
"""
NEXT_VERSION = f"""{LAST_VERSION.rstrip()},
      {{
        version: "1.2.0"
        released: "2026-06-01"
      }}
"""
REFERRER = """  string referrer = 5 [(rules) = {
    since: "1.1.0"
    max_length: 2048
  }];
"""
LOOPS = f"""{REFERRER}  // How often a video was seen to its end.
  optional int32 loops = 6 [(rules) = {{since: "1.2.0" minimum: 0 maximum: 1000}}];
"""


class Client:
    """Calls a service whose contract is in a descriptor pool, with JSON in and out."""

    def __init__(self, service: Service, pool: DescriptorPool) -> None:
        self._channel = grpc.insecure_channel(service.address)
        self._pool = pool

    def call(self, method: str, *requests: dict[str, Any]) -> dict[str, Any]:
        """Call a method, "Service/Method"; several requests are a stream."""
        service, name = method.split("/")
        full_name = f"sociallive.analytics.v1.{service}"
        descriptor = self._pool.FindServiceByName(full_name).methods_by_name[name]
        request_class, response_class = GetMessageClass(descriptor.input_type), GetMessageClass(descriptor.output_type)
        messages = [json_format.ParseDict(request, request_class()) for request in requests]
        path, write, read = f"/{full_name}/{name}", request_class.SerializeToString, response_class.FromString
        if descriptor.client_streaming:
            answer = self._channel.stream_unary(path, write, read)(iter(messages), timeout=20)
        else:
            answer = self._channel.unary_unary(path, write, read)(messages[0], timeout=20)
        return json_format.MessageToDict(answer)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Client]:
    """A client of a service with a sixth event type, and with a version 1.2.0 of views."""
    folder = tmp_path_factory.mktemp("new")
    view = (REFERRER, LOOPS)
    protos = add_event_type(folder, "follow", "FollowEvent", FOLLOW, {"view_event.proto": view})
    path = protos / "sociallive/analytics/v1/view_event.proto"
    path.write_text(path.read_text().replace(LAST_VERSION, NEXT_VERSION))
    with Service(copy_data_dir(made_database, folder / "data"), PYTHONPATH=str(generate_code(protos))) as service:
        yield Client(service, read_pool(protos))


def test_its_events_are_tracked_typed_and_as_data(client: Client) -> None:
    """One by one and in a stream; the new version too."""
    typed = {"event": {"userId": "ann", "follow": {"followedId": "bob", "source": "profile"}}}
    assert client.call("AnalyticsService/Track", typed)["status"] == "EVENT_STATUS_STORED"
    answer = client.call(
        "AnalyticsService/TrackBatch",
        {
            "events": [
                {"userId": "bob", "eventType": "follow", "schemaVersion": "1.0.0", "data": {"followedId": "cy"}},
                {"userId": "bob", "eventType": "view", "data": {"contentType": "p", "contentId": "1", "loops": 3}},
                {"userId": "bob", "eventType": "follow", "data": {"source": "feed"}},
                {"userId": "bob", "schemaVersion": "1.0.0", "follow": {"followedId": "d", "source": "feed"}},
            ]
        },
    )
    assert (answer["stored"], answer["rejected"]) == ("2", "2")
    assert [[violation["rule"] for violation in item["violations"]] for item in answer["rejections"]] == [
        ["REQUIRED"],
        ["SINCE"],
    ]


def test_they_are_listed_in_their_own_version_and_in_the_newest(client: Client) -> None:
    """The newest completes older events by what the .proto file declares."""

    def follows(view: str) -> list[tuple[str, dict[str, str]]]:
        page = client.call("AnalyticsService/ListEvents", {"eventType": "follow", "view": view})
        return sorted((event["schemaVersion"], event["follow"]) for event in page["events"])

    old, new = {"followedId": "cy"}, {"followedId": "bob", "source": "profile"}
    assert follows("EVENT_VIEW_RAW") == [("1.0.0", old), ("1.2.0", new)]
    newest = client.call("AnalyticsService/ListEvents", {"eventType": "follow", "view": "EVENT_VIEW_UPCAST"})["events"]
    assert {event["schemaVersion"] for event in newest} == {"1.2.0"}
    assert {event["follow"]["source"] for event in newest} == {"unknown", "profile"}


def test_reports_count_them(client: Client) -> None:
    """In the dashboard, and as a step with a condition on a new field."""
    dashboard = client.call("AnalyticsService/GetDashboard", {"timeframe": "24h"})
    assert {total["eventType"]: total["count"] for total in dashboard["totals"]} == {"follow": "2", "view": "1"}
    funnel = client.call(
        "AnalyticsService/GetFunnel", {"timeframe": "24h", "steps": ["follow:followedId=cy", "view:loops>=3"]}
    )
    assert [step["users"] for step in funnel["steps"]] == ["1", "1"]


def test_the_registry_knows_and_judges_them(client: Client) -> None:
    """Its versions, their JSON Schema, and a dry run."""
    schemas = client.call("SchemaService/ListSchemas", {})["schemas"]
    assert [schema["version"] for schema in schemas if schema["eventType"] == "follow"] == ["1.0.0", "1.2.0"]
    assert [schema["version"] for schema in schemas if schema["eventType"] == "view"] == ["1.0.0", "1.1.0", "1.2.0"]
    schema = client.call("SchemaService/GetSchema", {"eventType": "follow"})
    assert schema["schema"]["version"] == "1.2.0"
    assert "followedId" in str(schema["jsonSchema"])
    verdict = client.call("SchemaService/Validate", {"event": {"eventType": "follow", "data": {"followedID": "x"}}})
    assert [(violation["field"], violation["rule"]) for violation in verdict["violations"]] == [
        ("data.followedID", "UNKNOWN_FIELD"),
        ("data.followedId", "REQUIRED"),
    ]
    assert "did you mean followedId?" in verdict["violations"][0]["description"]
