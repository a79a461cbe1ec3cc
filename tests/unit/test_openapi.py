"""gateway/openapi.json is what its program writes, valid, and says what is required of every event and every answer."""

import json
import re
import tomllib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from events.json.schema import write_json_schema
from tests.unit.event_samples import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "gateway" / "openapi.json").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
EVENTS = "/analytics/events"
VIEW = {"contentType": "post", "contentId": "post-1"}
RELEASES = [(event_type, version.version) for event_type in CATALOGUE.types.values() for version in event_type.versions]


def operations() -> list[tuple[str, dict[str, Any]]]:
    """List every operation with its path."""
    return [(path, operation) for path, item in DOCUMENT["paths"].items() for operation in item.values()]


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Judge a value by a schema of the document."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]}).is_valid(value)


def body_of(path: str) -> dict[str, Any]:
    """Find the schema of a path's body."""
    schema: dict[str, Any] = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def test_the_document_is_what_its_program_writes() -> None:
    """Also where buf is not at hand; `make gen` writes it anew."""
    from tools.openapi.document import write_description  # noqa: PLC0415 - the other tests are about the document alone
    from tools.proto_comments import read_comments  # noqa: PLC0415 - likewise

    comments = read_comments((ROOT / "generated" / "descriptors.binpb").read_bytes())
    assert write_description(comments) == DOCUMENT


@pytest.mark.thorough
def test_the_document_is_valid_openapi() -> None:
    """By the specification's own schema, every reference included."""
    from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: PLC0415 - it loads an HTTP client

    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.mark.finding(27)
def test_it_has_the_version_of_the_project() -> None:
    """One number, from one place."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert DOCUMENT["info"]["version"] == project["version"]


@pytest.mark.finding(27)
def test_no_path_advertises_what_it_never_answers() -> None:
    """No 501, and a conflict of ids only where one event is stored."""
    for path, operation in operations():
        statuses = {HTTPStatus(int(status)) for status in operation["responses"]}
        assert HTTPStatus.NOT_IMPLEMENTED not in statuses, path
        stores_one = operation["operationId"].startswith("Track") and path != f"{EVENTS}/batch"
        assert (HTTPStatus.CONFLICT in statuses) is stores_one, path
        assert (HTTPStatus.NOT_FOUND in statuses) is ("{version}" in path), path
        assert (HTTPStatus.UNSUPPORTED_MEDIA_TYPE in statuses) is ("requestBody" in operation), path


@pytest.mark.finding(27)
def test_every_answer_tells_what_it_always_holds() -> None:
    """Each object of an answer has required members, and each number and text of a certain form says so."""
    for path, operation in operations():
        for status, response in operation["responses"].items():
            schema = response["content"]["application/json"]["schema"]
            schema = schema["allOf"][0] if "allOf" in schema else schema
            whole = SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            assert whole["required"], (path, status)
    assert SCHEMAS["TrackResponse"]["required"] == ["eventId", "status", "warnings"]
    assert "asOf" not in SCHEMAS["ReportInfo"]["required"]
    assert {"eventId", "timestamp", "receivedAt"} <= set(SCHEMAS["Event"]["required"])
    assert SCHEMAS["GetDashboardResponse"]["properties"]["events"]["pattern"] == "^[0-9]{1,19}$"
    assert SCHEMAS["CohortPeriod"]["properties"]["share"]["maximum"] == 1
    assert SCHEMAS["ReportInfo"]["properties"]["startTime"]["format"] == "date-time"


@pytest.mark.finding(27)
@pytest.mark.parametrize("path", [f"{EVENTS}/track", f"{EVENTS}/validate"])
def test_a_body_tells_what_is_required_of_an_event(path: str) -> None:
    """Of its type, in its range and format."""
    assert accepts(body_of(path), {"eventType": "view", "data": VIEW})
    assert accepts(body_of(path), {"view": VIEW})
    for wrong in (
        {"eventType": "view", "data": {"contentType": "post"}},
        {"eventType": "view", "data": {**VIEW, "scrollDepth": 1.5}},
        {"eventType": "view", "data": {**VIEW, "contentTipe": "post"}},
        {"eventType": "vieww", "data": VIEW},
        {"eventType": "view", "eventId": "not-a-uuid", "data": VIEW},
        {"data": VIEW},
        {},
    ):
        assert not accepts(body_of(path), wrong), wrong


@pytest.mark.finding(27)
def test_a_path_of_a_type_takes_its_events_and_no_others() -> None:
    """Whether they name their type or not."""
    for event_type in CATALOGUE.types:
        body = body_of(f"{EVENTS}/{event_type}")
        assert accepts(body, {"data": VIEW}) is (event_type == "view")
        assert accepts(body, {"eventType": "view", "data": VIEW}) is (event_type == "view")


@pytest.mark.finding(27)
def test_a_batch_is_a_list_of_events() -> None:
    """Of any type, 5,000 at most."""
    body = body_of(f"{EVENTS}/batch")
    event = {"eventType": "session", "data": {"action": "start"}}
    assert accepts(body, {"events": [event, {"view": VIEW}], "backfill": True})
    for wrong in ({}, {"events": [{"eventType": "session"}]}, {"events": [event], "backfil": True}):
        assert not accepts(body, wrong), wrong
    assert SCHEMAS["batch"]["properties"]["events"]["maxItems"] == 5_000


@pytest.mark.parametrize(("event_type", "version"), RELEASES, ids=lambda value: getattr(value, "name", value))
def test_the_component_of_a_version_is_its_json_schema(event_type: Any, version: str) -> None:
    """With its definitions as components."""
    schema = write_json_schema(CATALOGUE, event_type, version)
    name = f"event.{event_type.name}.{version}"
    text = json.dumps({**SCHEMAS[name], "$defs": {}})
    assert json.loads(text.replace(f"#/components/schemas/{name}.", "#/$defs/")) == {
        **{key: value for key, value in schema.items() if key not in ("$schema", "$id")},
        "$defs": {},
    }
    assert {inner.removeprefix(f"{name}.") for inner in SCHEMAS if inner.startswith(f"{name}.")} == set(schema["$defs"])


def test_every_error_has_the_published_reasons() -> None:
    """The schema of errors lists all, and each status those that it can have."""
    listed = set(SCHEMAS["ErrorReason"]["enum"])
    for path, operation in operations():
        for status, response in operation["responses"].items():
            if status != "200":
                narrow = response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["reason"]["enum"]
                assert set(narrow) <= listed, (path, status)
                assert re.fullmatch(r"([A-Z_]+, )*[A-Z_]+: see the schema ErrorReason\.", response["description"])
