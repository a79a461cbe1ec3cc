"""JSON bodies as the server reads them: whatever their bytes are, the answer says what is wrong."""

import gzip
import json
import time
import uuid
from typing import Any

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from gateway.configuration import ENVELOPE_BYTES
from sociallive.analytics.v1.admin_service_pb2 import GetRejectedEventRequest, ListRejectedEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest, TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import fails_with
from tests.acceptance.samples import reason, violations
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call, expect_error

TRACK = "/analytics/events/track"
BATCH = "/analytics/events/batch"
VALIDATE = "/analytics/events/validate"
VIEW: dict[str, Any] = {"contentType": "post", "contentId": "post-123"}
JSON = {"content-type": "application/json"}
EVENT = json.dumps({"eventType": "view", "data": VIEW}).encode()
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


def rejected(gateway: GatewayService) -> int:
    """Count rejected events."""
    counts = gateway.admin_stub.ListRejectedEvents(ListRejectedEventsRequest(page_size=1), timeout=20).counts
    return sum(each.events for each in counts)


def newest(gateway: GatewayService) -> Any:
    """Read the newest rejected event with its payload."""
    (first,) = gateway.admin_stub.ListRejectedEvents(ListRejectedEventsRequest(page_size=1), timeout=20).rejected_events
    return gateway.admin_stub.GetRejectedEvent(GetRejectedEventRequest(rejection_id=first.rejection_id), timeout=20)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (TRACK, b"", "is empty"),
        (TRACK, b'{"eventType', "is cut off"),
        (TRACK, b'{"eventType": "view",\n "data": }', "at byte 32"),
        (TRACK, b'{"a":1,}', "at byte 8"),
        (TRACK, b'{"user": "\xe9"}', "UTF-8"),
        (TRACK, b'{"data":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "nests deeper"),
        ("/analytics/events/view", b"hello", "double quotes"),
        (BATCH, b"", ""),
        (BATCH, b'{"events', ""),
        (BATCH, b"hello", ""),
        (BATCH, b"\xff\xfe{", ""),
        (BATCH, b"[" * 6000, ""),
    ],
    ids=["empty", "cut", "no value", "comma", "Latin-1", "deep", "path"]
    + [f"batch {name}" for name in ("empty", "cut", "no JSON", "UTF-16", "deep")],
)
def test_a_body_that_is_no_json_is_kept_as_one_rejected_event(
    gateway: GatewayService, path: str, body: bytes, told: str
) -> None:
    """400 says where it goes wrong; it is counted, and the quarantine shows its bytes."""
    before = rejected(gateway)
    answer = call(gateway.rest_port, "POST", path, body, headers=JSON)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    (violation,) = answer.json["violations"]
    assert violation["rule"] == "JSON"
    assert told in violation["description"]
    assert rejected(gateway) == before + 1
    kept = newest(gateway)
    if body:
        assert (kept.payload, kept.payload_type) == (body, "application/json")
    assert not kept.HasField("event")


def test_one_event_of_a_batch_that_is_no_json_is_alone(gateway: GatewayService) -> None:
    """Its bytes are kept, and those around it are stored."""
    broken = b'{"eventType": "view", "data": {"contentType": post}}'
    body = b'{"events": [' + b", ".join((EVENT, broken, EVENT)) + b"]}"
    answer = call(gateway.rest_port, "POST", BATCH, body, headers=JSON)
    assert (answer.status, answer.json["stored"], answer.json["rejected"]) == (200, "2", "1")
    (rejection,) = answer.json["rejections"]
    assert (rejection["index"], rejection["violations"][0]["field"]) == ("1", "data.contentType")
    assert newest(gateway).payload == broken


def test_validate_keeps_no_body_that_is_no_json(gateway: GatewayService) -> None:
    """It says what is wrong, as an answer."""
    before = rejected(gateway)
    answer = call(gateway.rest_port, "POST", VALIDATE, b"{", headers=JSON)
    assert (answer.status, [each["rule"] for each in answer.json["violations"]]) == (200, ["JSON"])
    assert rejected(gateway) == before


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;Charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=ascii",
        "application/ld+json",
        "text/plain",
        "text/plain;charset=UTF-8",
        "",
    ],
)
def test_a_body_may_be_called_json_or_text_or_nothing(gateway: GatewayService, content_type: str) -> None:
    """As browsers, beacons and plain scripts call it."""
    answer = call(gateway.rest_port, "POST", TRACK, EVENT, headers={"content-type": content_type})
    assert answer.status == 200, answer


@pytest.mark.parametrize("path", [TRACK, BATCH, VALIDATE])
@pytest.mark.parametrize("charset", ["latin1", "utf-16", "iso-8859-1"])
def test_another_charset_is_refused(gateway: GatewayService, path: str, charset: str) -> None:
    """Reading it as UTF-8 would garble names without a word."""
    sent = {"content-type": f"application/json; charset={charset}"}
    answer = call(gateway.rest_port, "POST", path, EVENT, headers=sent)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_REQUEST")
    assert charset in answer.json["message"]
    assert "UTF-8" in answer.json["message"]


def test_a_body_as_large_as_a_message_is_413(gateway: GatewayService) -> None:
    """A message has more in it than its body, and what passes the gateway is never too large for the server."""
    body = EVENT + b" " * (MAX_MESSAGE_BYTES - len(EVENT))
    expect_error(call(gateway.rest_port, "POST", TRACK, body, headers=JSON), 413, "OUT_OF_RANGE", "BODY_TOO_LARGE")
    assert call(gateway.rest_port, "POST", TRACK, body[:-ENVELOPE_BYTES], headers=JSON).status == 200


@pytest.mark.parametrize("sent", [{"user_id": "u"}, {"event_type": "view"}])
def test_nothing_of_an_event_is_read_from_the_query(gateway: GatewayService, sent: dict[str, str]) -> None:
    """URLs end up in logs; an event there is refused beside the body."""
    (name,) = sent
    answer = call(gateway.rest_port, "POST", f"{TRACK}?event.{name}={sent[name]}", EVENT, headers=JSON)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_REQUEST")


def test_an_unknown_type_in_the_path_is_named(gateway: GatewayService) -> None:
    """With the types that there are."""
    answer = call(gateway.rest_port, "POST", "/analytics/events/vieww", {"data": VIEW})
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    assert answer.json["violations"][0]["rule"] == "UNKNOWN_EVENT_TYPE"
    assert "did you mean view?" in answer.json["violations"][0]["description"]


def test_the_path_and_the_event_agree_about_the_type(gateway: GatewayService) -> None:
    """The same type twice is taken, another one is refused."""
    body = {"eventType": "view", "data": VIEW}
    assert call(gateway.rest_port, "POST", "/analytics/events/view", body).status == 200
    answer = call(gateway.rest_port, "POST", "/analytics/events/purchase", body)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    assert "EVENT_TYPE_MISMATCH" in [each["rule"] for each in answer.json["violations"]]


@pytest.mark.finding(11)
@pytest.mark.parametrize("value", ["event.userId:" + ",".join(["0-5000"] * 1000), "events.x:3", "event.userId:"])
def test_a_header_about_unknown_fields_has_no_effect(gateway: GatewayService, value: str) -> None:
    """Neither a direct caller nor one of the gateway can have fields refused, or the worker held up."""
    event = Event(event_id=str(uuid.uuid4()), view=ViewEvent(content_type="p", content_id="p"))
    header = "analytics-unknown-fields"
    started_at = time.perf_counter()
    for _ in range(20):
        gateway.stub.Track(TrackRequest(event=event), timeout=10, metadata=((header, value),))
    assert time.perf_counter() - started_at < 10  # 20 calls took half a minute of the worker's time
    assert call(gateway.rest_port, "POST", TRACK, EVENT, headers={**JSON, header: value}).status == 200


def test_grpc_callers_may_send_json_too(gateway: GatewayService) -> None:
    """One event and several, with the answers that REST callers get."""
    body = HttpBody(content_type="application/json", data=json.dumps({"data": VIEW}).encode())
    assert gateway.stub.Track(TrackRequest(body=body, event_type="view"), timeout=10).event_id
    several = HttpBody(data=b'{"events": [%s, null]}' % EVENT)
    answer = gateway.stub.TrackEvents(TrackEventsRequest(body=several), timeout=10)
    assert (answer.stored, answer.rejected, answer.rejections[0].index) == (1, 1, 1)
    assert [each.index for each in answer.assigned_ids] == [0]


@pytest.mark.parametrize("method", ["Track", "TrackEvents"])
def test_a_gzipped_body_of_a_grpc_caller_is_not_unpacked(gateway: GatewayService, method: str) -> None:
    """Only the gateway unpacks, within a bound; elsewhere it is no JSON."""
    request = (TrackRequest if method == "Track" else TrackEventsRequest)(
        body=HttpBody(content_type="application/json", data=gzip.compress(EVENT))
    )
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        getattr(gateway.stub, method)(request, timeout=10)
    assert list(violations(caught[0]).values()) == ["JSON"]


def test_a_request_has_one_of_its_two_forms(gateway: GatewayService) -> None:
    """Both at once are refused, since only one could be meant."""
    event = Event(view=ViewEvent(content_type="p", content_id="p"))
    for method, request in (
        ("Track", TrackRequest(event=event, body=HttpBody(data=EVENT))),
        ("TrackEvents", TrackEventsRequest(events=[event], body=HttpBody(data=EVENT))),
    ):
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
            getattr(gateway.stub, method)(request, timeout=10)
        assert (reason(caught[0]), violations(caught[0])) == ("INVALID_REQUEST", {"body": "CONFLICT"})
