"""Patches change what they name, in either form of a payload, and nothing else."""

from typing import Any

import pytest
from google.protobuf import json_format

from events.patch import Change, PatchError, apply_changes, read_path
from events.rules import Validator
from sociallive.analytics.v1.event_pb2 import Event

VALIDATOR = Validator()


def event(**fields: Any) -> Event:
    """Make an event from its JSON form."""
    return json_format.ParseDict(fields, Event())


def patched(before: Event, *changes: tuple[str, Any]) -> dict[str, Any]:
    """Apply changes, None removes, and return the event's JSON form."""
    made = [Change(read_path(path), value, remove=value is None) for path, value in changes]
    assert apply_changes(before, made) == []
    after: dict[str, Any] = json_format.MessageToDict(before)
    return after


@pytest.mark.parametrize("path", ["data.contentType", "data.content_type", "view.contentType", "view.content_type"])
def test_a_path_into_the_payload_fits_both_forms(path: str) -> None:
    """An operator replays events of both forms with one patch."""
    typed = event(view={"contentId": "p1"})
    assert patched(typed, (path, "post"))["view"] == {"contentId": "p1", "contentType": "post"}
    untyped = event(eventType="view", data={"contentId": "p1"})
    assert patched(untyped, (path, "post"))["data"] == {"contentId": "p1", "contentType": "post"}
    assert VALIDATOR.validate(typed) == VALIDATOR.validate(untyped) == []


def test_a_field_of_data_keeps_the_name_it_has() -> None:
    """Under both of its names it would stand twice, which is a violation."""
    assert patched(event(eventType="view", data={"content_type": "x"}), ("data.contentType", "post"))["data"] == {
        "content_type": "post"
    }


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ({"userId": "u"}, ("userId", "v"), {"userId": "v"}),
        ({"userId": "u"}, ("user_id", None), {}),
        ({}, ("timestamp", "2026-01-02T03:04:05Z"), {"timestamp": "2026-01-02T03:04:05Z"}),
        ({}, ("device.osVersion", "17"), {"device": {"osVersion": "17"}}),
        ({}, ("device.osVersion", None), {}),
        ({}, ("data.contentId", None), {}),
        ({"device": {"os": "a", "model": "b"}}, ("device.os", None), {"device": {"model": "b"}}),
        ({"data": {"a": 1, "b": 2}}, ("data.a", None), {"data": {"b": 2}}),
        ({"data": {"a": {"b": 1, "c": 2}}}, ("data.a.b", [True]), {"data": {"a": {"b": [True], "c": 2}}}),
        ({}, ("data.a.b", 1), {"data": {"a": {"b": 1}}}),
        (
            {"engagement": {"action": "like", "metadata": {"a": 1}}},
            ("data.metadata.b", "x"),
            {"engagement": {"action": "like", "metadata": {"a": 1, "b": "x"}}},
        ),
        ({"data": {"a": 1}, "view": {}}, ("data", None), {"view": {}}),
        ({}, ("view.contentId", "p"), {"view": {"contentId": "p"}}),
        ({"purchase": {"conversionPath": ["a"]}}, ("data.conversionPath", ["b", "c"]), None),
    ],
)
def test_changes(before: dict[str, Any], change: tuple[str, Any], after: dict[str, Any] | None) -> None:
    """Values are set and removed, wherever they are, and their neighbours stay."""
    after = {"purchase": {"conversionPath": ["b", "c"]}} if after is None else after
    assert patched(event(**before), change) == after


def test_removing_from_where_nothing_is_makes_nothing() -> None:
    """An empty `data` beside a typed payload would be a violation of its own."""
    before = event(userId="u")
    patched(before, ("data.a", None), ("data.a.b", None), ("device.os", None), ("view.contentId", None))
    assert before == event(userId="u")


@pytest.mark.parametrize(
    ("before", "path", "value", "told"),
    [
        ({"purchase": {}}, "view.contentId", "p", "this is a purchase event"),
        ({"eventType": "purchase", "data": {}}, "view.contentId", "p", "this is a 'purchase' event"),
        ({"view": {}}, "data.contentTyp", "p", "did you mean contentType?"),
        ({}, "userId", 12, "userId cannot be a number"),
        ({}, "userId.x", "y", "userId holds no fields"),
        ({"data": {"a": "text"}}, "data.a.b", 1, "'a' holds no fields"),
        ({}, "timestamp", "yesterday", "timestamp cannot be a text"),
        ({}, "sequence", True, "sequence cannot be true or false"),
    ],
)
def test_a_change_that_does_not_fit_is_told(before: dict[str, Any], path: str, value: Any, told: str) -> None:
    """It is the event's fault or the patch's; either way that event is not replayed."""
    (violation,) = apply_changes(event(**before), [Change(read_path(path), value)])
    assert violation.rule == "PATCH_DOES_NOT_FIT"
    assert told in violation.description


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "joined by dots"),
        ("data..a", "joined by dots"),
        ("a." * 16 + "a", "joined by dots"),
        ("userld", "did you mean userId?"),
        ("receivedAt", "set by the service"),
        ("timestamp_source", "set by the service"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, told: str) -> None:
    """No event would take it, so no event is tried."""
    with pytest.raises(PatchError, match=told.replace("?", r"\?")):
        read_path(path)
