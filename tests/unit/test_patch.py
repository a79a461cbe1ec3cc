"""Patches change what they name, in either form of a payload, and nothing else."""

from typing import Any

import pytest
from google.protobuf import json_format

from events.json.message import message_value
from events.patch import Change, PatchError, apply_changes, read_path
from sociallive.analytics.v1.event_pb2 import Event
from tests.unit.event_samples import VIEW, rules_of


def patched(before: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """Apply changes, None removes, and return the event."""
    made = [Change(read_path(path), value, remove=value is None) for path, value in changes]
    assert apply_changes(before, made) == []
    return before


def moved(before: dict[str, Any], path: str, to: str) -> dict[str, Any]:
    """Move a value, and return the event."""
    assert apply_changes(before, [Change(read_path(path, may_be_unknown=True), move_to=read_path(to))]) == []
    return before


@pytest.mark.parametrize("path", ["data.contentType", "data.content_type", "view.contentType", "view.content_type"])
def test_a_path_into_the_payload_fits_both_forms(path: str) -> None:
    """An operator replays events of both forms with one patch."""
    typed: dict[str, Any] = {"view": {"contentId": "p1"}}
    assert patched(typed, (path, "post"))["view"] == {"contentId": "p1", "contentType": "post"}
    untyped: dict[str, Any] = {"eventType": "view", "data": {"contentId": "p1"}}
    assert patched(untyped, (path, "post"))["data"] == {"contentId": "p1", "contentType": "post"}
    assert rules_of(typed) == rules_of(untyped) == []


def test_a_field_keeps_the_name_it_has() -> None:
    """Under both of its names it would stand twice, which is a violation."""
    before = {"event_type": "view", "user_id": "u", "device": {"os_version": "1"}, "data": {"content_type": "x"}}
    changes = [("data.contentType", "post"), ("userId", "v"), ("device.osVersion", "2"), ("eventType", "view")]
    assert patched(before, *changes) == {
        "event_type": "view",
        "user_id": "v",
        "device": {"os_version": "2"},
        "data": {"content_type": "post"},
    }


def test_of_a_field_that_stands_twice_the_named_one_is_changed() -> None:
    """So that an operator can remove either of them."""
    before = {"eventType": "view", "data": {"contentId": "a", "content_id": "b"}}
    assert patched(before, ("data.content_id", None))["data"] == {"contentId": "a"}


@pytest.mark.finding(13)
def test_a_misspelt_field_stays_refused_until_a_patch_removes_or_renames_it() -> None:
    """What the caller sent is all there, so the user is not lost with the mistake."""
    sent = {"eventType": "view", "usrId": "u1", "data": VIEW}
    assert rules_of(patched(dict(sent))) == [("usrId", "UNKNOWN_FIELD")]
    removed = apply_changes(without := dict(sent), [Change(read_path("usrId", may_be_unknown=True), remove=True)])
    assert (removed, rules_of(without), "usrId" in without) == ([], [], False)
    renamed = moved(dict(sent), "usrId", "userId")
    assert (rules_of(renamed), renamed["userId"]) == ([], "u1")


@pytest.mark.parametrize(
    ("before", "path", "to", "after"),
    [
        ({"contentId": "p"}, "contentId", "data.contentId", {"data": {"contentId": "p"}}),
        ({"data": {"contntId": "p"}}, "data.contntId", "data.contentId", {"data": {"contentId": "p"}}),
        ({"view": {"contntId": "p"}}, "data.contntId", "data.contentId", {"view": {"contentId": "p"}}),
        ({"userId": "u"}, "usrId", "userId", {"userId": "u"}),
        ({"device": {"os": "a"}}, "device.os", "device.model", {"device": {"model": "a"}}),
    ],
)
def test_a_value_moves_with_its_field(before: dict[str, Any], path: str, to: str, after: dict[str, Any]) -> None:
    """Where there is none, the other field keeps its own."""
    assert moved(before, path, to) == after


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
    assert patched(before, change) == after


def test_removing_from_where_nothing_is_makes_nothing() -> None:
    """An empty `data` beside a typed payload would be a violation of its own."""
    before = {"userId": "u"}
    patched(before, ("data.a", None), ("data.a.b", None), ("device.os", None), ("view.contentId", None))
    assert before == {"userId": "u"}


def test_a_change_of_one_event_leaves_the_next_alone() -> None:
    """A patch goes over many events, and a later change may reach into the value of an earlier one."""
    changes = [Change(read_path("data"), {"contentId": "p"}), Change(read_path("data.contentType"), "post")]
    for _ in range(2):
        before: dict[str, Any] = {"eventType": "view"}
        assert apply_changes(before, changes) == []
        assert before["data"] == {"contentId": "p", "contentType": "post"}
    assert changes[0].value == {"contentId": "p"}


def test_an_event_that_came_as_a_message_is_patched_alike() -> None:
    """It is written as JSON first, with all that is wrong with it."""
    event = json_format.ParseDict({"view": VIEW | {"scrollDepth": 2}, "timestamp": "2024-01-01T12:00:00.5Z"}, Event())
    event.sent_at.seconds = -1
    value = message_value(event)
    assert value["timestamp"] == "2024-01-01T12:00:00.500000Z"
    assert rules_of(value) == [("sentAt", "TYPE"), ("view.scrollDepth", "MAXIMUM")]
    assert rules_of(patched(value, ("view.scroll_depth", 1), ("sent_at", None))) == []


@pytest.mark.parametrize(
    ("before", "path", "value", "told"),
    [
        ({"purchase": {}}, "view.contentId", "p", "this is a 'purchase' event"),
        ({"eventType": "purchase", "data": {}}, "view.contentId", "p", "this is a 'purchase' event"),
        ({"userId": "u"}, "userId.x", "y", "'userId' has no fields"),
        ({"data": {"a": "text"}}, "data.a.b", 1, "'a' has no fields"),
        ({"data": [1]}, "data.a", 1, "'data' has no fields"),
    ],
)
def test_a_change_that_does_not_fit_is_told(before: dict[str, Any], path: str, value: Any, told: str) -> None:
    """It is the event's fault or the patch's; either way that event is not replayed."""
    (violation,) = apply_changes(before, [Change(read_path(path), value)])
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


@pytest.mark.parametrize("path", ["", "data..a", "a." * 16 + "a", "receivedAt", "timestamp_source"])
def test_what_is_removed_may_be_unknown_but_not_the_services_own(path: str) -> None:
    """The same paths are refused but for the name that no event has."""
    assert read_path("usrId", may_be_unknown=True) == ("usrId",)
    with pytest.raises(PatchError):
        read_path(path, may_be_unknown=True)
