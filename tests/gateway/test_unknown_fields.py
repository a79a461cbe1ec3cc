"""Fields that no message has: refused by name, wherever they stand in a JSON body, and never dropped in silence."""

import json
from typing import Any

import pytest

from gateway import headers
from gateway.rest import bodies
from server.rpc.gateway_calls import REQUEST_ID
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call, expect_error

TRACK = "/analytics/events/track"
BATCH = "/analytics/events/batch"
VALIDATE = "/analytics/events/validate"
VIEW: dict[str, Any] = {"contentType": "post", "contentId": "post-123"}


def violations_of(answer: Any) -> dict[str, str]:
    """Read which rule each field breaks."""
    return {at["field"]: at["rule"] for at in answer.json["violations"]}


def test_every_path_with_a_body_is_known() -> None:
    """The list comes from the descriptors; the paths of the original request are in it."""
    assert {TRACK, BATCH, VALIDATE, "/analytics/events/purchase", "/analytics/events/view"} <= set(bodies())


@pytest.mark.parametrize(
    ("path", "body", "field", "meant"),
    [
        (TRACK, {"eventType": "view", "data": VIEW, "usrId": "u"}, "usrId", "userId"),
        (TRACK, {"view": {**VIEW, "viewDuraton": 5}}, "view.viewDuraton", "viewDuration"),
        (TRACK, {"usrId": {"deep": ['}"', {"a": [1, 2]}]}, "view": VIEW}, "usrId", "userId"),
        ("/analytics/events/view", {**VIEW, "viewDuraton": 5}, "view.viewDuraton", "viewDuration"),
        (
            "/analytics/events/purchase",
            {"productId": "p", "orderId": "o", "amount": 1, "currency": "EUR", "paymentMethd": "card"},
            "purchase.paymentMethd",
            "paymentMethod",
        ),
    ],
    ids=["event", "payload", "nested value", "view", "purchase"],
)
def test_a_misspelt_field_is_refused_with_the_name_that_was_meant(
    gateway: GatewayService, path: str, body: Any, field: str, meant: str
) -> None:
    """A single event is not stored without what it was sent with."""
    answer = call(gateway.rest_port, "POST", path, body)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    assert violations_of(answer) == {field: "UNKNOWN_FIELD"}
    assert meant in answer.json["violations"][0]["description"]


def test_other_mistakes_are_told_beside_it(gateway: GatewayService) -> None:
    """One answer names everything that is wrong."""
    answer = call(
        gateway.rest_port, "POST", TRACK, {"eventType": "view", "data": {"contentType": "post"}, "usrId": "u"}
    )
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    assert violations_of(answer) == {"usrId": "UNKNOWN_FIELD", "data.contentId": "REQUIRED"}


def test_a_batch_loses_only_the_events_that_have_such_fields(gateway: GatewayService) -> None:
    """The others are stored; the rejections say which were not."""
    good = {"eventType": "view", "data": VIEW}
    events = [good, {**good, "usrId": "u"}, good, {**good, "usrId": "u"}, {**good, "usrId": "u", "agent": 1}]
    answer = call(gateway.rest_port, "POST", BATCH, {"events": events})
    assert answer.status == 200, answer
    assert (answer.json["stored"], answer.json["rejected"]) == ("2", "3")
    told = {int(at["index"]): [v["field"] for v in at["violations"]] for at in answer.json["rejections"]}
    assert told == {1: ["usrId"], 3: ["usrId"], 4: ["usrId", "agent"]}


def test_a_mistake_of_a_whole_batch_is_told_for_each_of_its_events(gateway: GatewayService) -> None:
    """Places beside each other cost no room: 5,000 events with one mistake are told in a few bytes."""
    event = {"eventType": "view", "data": VIEW, "usrId": "u"}
    answer = call(gateway.rest_port, "POST", BATCH, {"events": [event] * 5000})
    assert (answer.status, answer.json["stored"], answer.json["rejected"]) == (200, "0", "5000")


def test_a_field_of_no_event_refuses_the_request(gateway: GatewayService) -> None:
    """What stands beside the events is meant for all of them."""
    answer = call(gateway.rest_port, "POST", BATCH, {"events": [{"eventType": "view", "data": VIEW}], "backfil": True})
    expect_error(answer, 400, "INVALID_ARGUMENT", "UNKNOWN_FIELD")
    assert violations_of(answer) == {"backfil": "UNKNOWN_FIELD"}


def test_more_of_them_than_can_be_told_refuse_the_request(gateway: GatewayService) -> None:
    """Names are the caller's: what the gateway says about them is bounded."""
    event = {"eventType": "view", "data": VIEW, **{f"unheard_of_{number}": 1 for number in range(300)}}
    answer = call(gateway.rest_port, "POST", BATCH, {"events": [event]})
    expect_error(answer, 400, "INVALID_ARGUMENT", "UNKNOWN_FIELD")


def test_validation_says_the_same(gateway: GatewayService) -> None:
    """`Validate` says what `Track` would say."""
    answer = call(gateway.rest_port, "POST", VALIDATE, {"eventType": "view", "data": VIEW, "usrId": "u"})
    assert answer.status == 200, answer
    assert violations_of(answer) == {"usrId": "UNKNOWN_FIELD"}


@pytest.mark.parametrize(
    "body",
    [
        {"event_type": "view", "data": {"content_type": "post", "content_id": "p"}, "user_id": "u"},
        {"eventType": "view", "data": VIEW, "sequence": 7, "timestamp": "2026-01-01T00:00:00Z", "userId": 'a"}]\\'},
        {"view": {"contentType": "post", "contentId": "[{\\", "viewDuration": 1.5}, "device": {}, "sessionId": ""},
    ],
    ids=["names of the .proto", "values", "brackets and escapes in texts"],
)
def test_known_fields_pass_however_they_are_written(gateway: GatewayService, body: Any) -> None:
    """Both spellings that protobuf reads, whatever stands in the values; as Validate says."""
    for text in (json.dumps(body), json.dumps(body, indent=4), json.dumps(body, separators=(",", ":"))):
        answer = call(gateway.rest_port, "POST", VALIDATE, text.encode(), headers={"content-type": "application/json"})
        assert answer.status == 200, answer
        assert not [at for at in answer.json["violations"] if at["rule"] == "UNKNOWN_FIELD"], answer


@pytest.mark.parametrize(
    "body", [b"[]", b'"x"', b"{", b'{"a"', b'{"a":', b'{"a":[', b'{"events":[{]}', b'{"a":1,}', b"", b"{}"]
)
@pytest.mark.parametrize("path", [TRACK, BATCH])
def test_what_is_no_json_is_left_to_be_said(gateway: GatewayService, path: str, body: bytes) -> None:
    """The filter never fails on it: the answer is 400, or 200 to an empty batch."""
    answer = call(gateway.rest_port, "POST", path, body, headers={"content-type": "application/json"})
    assert answer.status in ({400} if path == TRACK else {200, 400}), answer


def test_callers_cannot_name_fields_themselves(gateway: GatewayService) -> None:
    """The header is the gateway's own."""
    sent = {headers.UNKNOWN_FIELDS: "event.userId:", REQUEST_ID: "r"}
    answer = call(gateway.rest_port, "POST", TRACK, {"eventType": "view", "data": VIEW}, headers=sent)
    assert answer.status == 200, answer
