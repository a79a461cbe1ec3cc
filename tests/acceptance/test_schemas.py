"""SchemaService over a real channel: which events there are, what they look like, and whether one is valid."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from jsonschema import Draft202012Validator

from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.schema_service_pb2 import GetSchemaRequest, ListSchemasRequest, ValidateRequest
from sociallive.analytics.v1.schema_service_pb2_grpc import SchemaServiceStub
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest
from tests.acceptance.running import Service, fails_with, program, totals
from tests.acceptance.samples import EXAMPLES, RELEASES, reason, track, view
from tests.acceptance.samples import violations as violations_of

TYPES = ("engagement", "purchase", "session", "stream", "view")
SCHEMAS = "sociallive.analytics.v1.SchemaService"

PLACEHOLDERS = {"eventId", "timestamp"}
"""What the view's example only hints at: "uuid" is none, and 2024 is long ago."""


def schemas(service: Service) -> Any:
    """Make the stub of SchemaService."""
    return SchemaServiceStub(service.channel)  # type: ignore[no-untyped-call]


def test_lists_every_version_of_every_type(service: Service) -> None:
    """Ordered by type, then oldest first; one version of each is the newest."""
    listed = schemas(service).ListSchemas(ListSchemasRequest(), timeout=5).schemas
    newest = {*dict(RELEASES).items()}  # the last of each type
    assert [(schema.event_type, schema.version, schema.newest) for schema in listed] == [
        (*release, release in newest) for release in RELEASES
    ]
    assert {schema.release_date for schema in listed if schema.event_type in TYPES} == {"2024-01-01", "2024-06-01"}


@pytest.mark.parametrize("name", TYPES)
def test_answers_a_json_schema_that_survives_the_wire(service: Service, name: str) -> None:
    """It is valid JSON Schema; without a version it is that of the newest."""
    answer = schemas(service).GetSchema(GetSchemaRequest(event_type=name), timeout=5)
    assert (answer.schema.event_type, answer.schema.version, answer.schema.newest) == (name, "1.1.0", True)
    Draft202012Validator.check_schema(json_format.MessageToDict(answer.json_schema))


@pytest.mark.parametrize(
    ("name", "version", "expected", "known"),
    [("vieew", "", "UNKNOWN_EVENT_TYPE", "view, engagement"), ("view", "9.9.9", "UNKNOWN_VERSION", "1.0.0, 1.1.0")],
)
def test_names_what_is_known_where_a_schema_is_not(
    service: Service, name: str, version: str, expected: str, known: str
) -> None:
    """NOT_FOUND, with a reason for programs and the known names for people."""
    with fails_with(grpc.StatusCode.NOT_FOUND) as caught:
        schemas(service).GetSchema(GetSchemaRequest(event_type=name, version=version), timeout=5)
    assert reason(caught[0]) == expected
    assert known in caught[0].details()


@pytest.mark.parametrize("name", EXAMPLES)
def test_finds_the_examples_valid(service: Service, name: str) -> None:
    """Validation and the schema that the service answers both take them; the event comes back as it would be stored."""
    values = {key: value for key, value in json.loads(EXAMPLES[name]).items() if key not in PLACEHOLDERS}
    answer = schemas(service).Validate(ValidateRequest(event=json_format.ParseDict(values, Event())), timeout=5)
    assert not answer.violations
    assert (answer.event.event_type, answer.event.schema_version) == (name, "1.1.0")
    assert json_format.MessageToDict(getattr(answer.event, name)) == values["data"]
    assert answer.event.event_id
    assert answer.warnings == ["timestamp is missing: the time of receipt was used"]
    schema = schemas(service).GetSchema(GetSchemaRequest(event_type=name), timeout=5).json_schema
    assert Draft202012Validator(json_format.MessageToDict(schema)).is_valid(values)


def test_finds_the_placeholder_of_an_id_in_the_example_of_a_view(service: Service) -> None:
    """As it stands, it has one thing wrong with it, and the answer says which."""
    request = ValidateRequest(event=json_format.Parse(EXAMPLES["view"], Event()))
    (found,) = schemas(service).Validate(request, timeout=5).violations
    assert (found.field, found.rule) == ("event_id", "UUID")


def test_finds_the_examples_of_the_documentation_valid(service: Service) -> None:
    """Every JSON block of docs/events.md, as a reader would copy it."""
    document = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    for text in re.findall(r"```json\n(.*?)```", document, re.DOTALL):
        answer = schemas(service).Validate(ValidateRequest(event=json_format.Parse(text, Event())), timeout=5)
        assert not answer.violations, text


def test_lists_the_violations_of_an_invalid_event_as_an_answer(service: Service) -> None:
    """The question was a good one, so the answer is OK, and it says what Track says."""
    event = view(view=None, event_type="view", data={"contentTipe": "post"}, user_id="a\0b")
    answer = schemas(service).Validate(ValidateRequest(event=event), timeout=5)
    assert not answer.HasField("event")
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.Track(TrackRequest(event=event), timeout=5)
    assert {found.field: found.rule for found in answer.violations} == violations_of(caught[0])
    assert {found.field for found in answer.violations} == {
        "user_id",
        "data.contentTipe",
        "data.contentType",
        "data.contentId",
    }


def test_stores_and_counts_nothing(service: Service) -> None:
    """An event that was validated is new to Track, and what is invalid leaves no trace in the ledger."""
    event = view(ip_address="203.0.113.7")
    before = totals(service)
    answer = schemas(service).Validate(ValidateRequest(event=event), timeout=5)
    schemas(service).Validate(ValidateRequest(event=Event()), timeout=5)
    assert answer.event.event_id == event.event_id
    assert b"203.0.113.7" not in answer.SerializeToString()
    assert totals(service) == before
    assert service.stub.Track(TrackRequest(event=event), timeout=5).status == EventStatus.EVENT_STATUS_STORED


def test_says_that_an_event_is_too_old(service: Service) -> None:
    """The clock's rules belong to the dry run as well."""
    request = ValidateRequest(event=track().event)
    request.event.timestamp.FromJsonString("2024-01-01T12:00:00Z")
    (found,) = schemas(service).Validate(request, timeout=5).violations
    assert (found.field, found.rule) == ("timestamp", "TOO_OLD")


def test_refuses_bytes_that_are_no_message(service: Service) -> None:
    """As every method does."""
    call: Any = service.channel.unary_unary(f"/{SCHEMAS}/Validate")
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        call(b"\xff\xfe garbage", timeout=5)
    assert reason(caught[0]) == "MALFORMED_MESSAGE"
    assert "sociallive.analytics.v1.ValidateRequest" in caught[0].details()


def test_grpcurl_asks_by_reflection(service: Service) -> None:
    """A terminal is enough to learn what events look like and to try one."""
    grpcurl = program("grpcurl")

    def ask(method: str, question: object) -> Any:
        command = [grpcurl, "-plaintext", "-d", json.dumps(question), service.address, f"{SCHEMAS}/{method}"]
        return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout)

    assert len(ask("ListSchemas", {})["schemas"]) == len(RELEASES)
    schema = ask("GetSchema", {"event_type": "purchase", "version": "1.0.0"})["jsonSchema"]
    assert schema["$id"] == "urn:sociallive-analytics:schema:purchase:1.0.0"
    assert "violations" not in ask("Validate", {"event": json.loads(EXAMPLES["purchase"])})
