"""Batches by REST: each event is judged by itself, and what is refused is kept and named as it was sent."""

import json
import uuid
from typing import Any

import pytest

from sociallive.analytics.v1.admin_service_pb2 import (
    GetRejectedEventRequest,
    ListRejectedEventsRequest,
    ReplayRejectedEventsRequest,
)
from tests.gateway.conftest import GatewayService
from tests.gateway.faults import FAULTS, VIEW, Fault
from tests.gateway.http import Answer, call, expect_error

BATCH = "/analytics/events/batch"
GOOD = '{"eventType": "view",  "data": {"contentType": "post", "contentId": "post-123"}}'
JSON = {"content-type": "application/json"}


def send(gateway: GatewayService, *texts: str) -> Answer:
    """Send a batch of events that are JSON texts, and expect counts."""
    body = '{ "events" : [ ' + " , ".join(texts) + " ] }"
    answer = call(gateway.rest_port, "POST", BATCH, body.encode(), headers=JSON)
    assert answer.status == 200, answer
    return answer


def newest_rejections(gateway: GatewayService, count: int) -> list[Any]:
    """Read the newest rejected events with their payloads, in the order in which they came."""
    listed = gateway.admin_stub.ListRejectedEvents(
        ListRejectedEventsRequest(page_size=count), timeout=20
    ).rejected_events
    ids = sorted(each.rejection_id for each in listed)  # UUIDv7 ascend
    return [gateway.admin_stub.GetRejectedEvent(GetRejectedEventRequest(rejection_id=each), timeout=20) for each in ids]


@pytest.mark.finding(14)
def test_forty_faults_among_a_hundred_events_refuse_forty_events(gateway: GatewayService) -> None:
    """Sixty are stored; each of the others is told by place, path and reason, and is kept to the byte."""
    assert len({fault.text for fault in FAULTS}) == 40
    places = [index * 100 // 40 for index in range(40)]
    texts = [GOOD] * 100
    for place, fault in zip(places, FAULTS, strict=True):
        texts[place] = fault.text
    answer = send(gateway, *texts).json
    assert (answer["received"], answer["stored"], answer["rejected"]) == ("100", "60", "40")
    told = [
        (int(each["index"]), each["violations"][0]["field"], each["violations"][0]["rule"], each["reason"])
        for each in answer["rejections"]
    ]
    assert told == [(place, fault.field, fault.rule, fault.reason) for place, fault in zip(places, FAULTS, strict=True)]
    kept = newest_rejections(gateway, 40)
    assert [each.payload.decode() for each in kept] == [fault.text for fault in FAULTS]
    assert {each.payload_type for each in kept} == {"application/json"}
    assert {each.rejected_event.source for each in kept} == {"TrackEvents"}


@pytest.mark.finding(14)
def test_large_numbers_keep_their_digits(gateway: GatewayService) -> None:
    """712345678901234567 and the number after it are one double, and two events."""
    text = (
        '{"eventId": "%s", "eventType": "engagement", "data": {"action": "like", "targetType": "post", '
        '"targetId": "post-123", "metadata": {"n": %d}}}'
    )
    event_id, number = str(uuid.uuid4()), 712345678901234567
    answer = send(gateway, *(text % (event_id, each) for each in (number, number + 1, number))).json
    assert (answer["stored"], answer["duplicates"], answer["rejected"]) == ("1", "1", "1")
    assert [(each["index"], each["reason"]) for each in answer["rejections"]] == [("1", "ID_CONFLICT")]
    assert answer["rejections"][0]["violations"][0]["field"] == "eventId"


@pytest.mark.finding(15)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.field], ids=lambda fault: fault.text[:60])
def test_a_single_event_and_a_batch_name_a_field_alike(gateway: GatewayService, fault: Fault) -> None:
    """Track, Validate and TrackEvents answer the same violations, by the names that the caller wrote."""
    (rejection,) = send(gateway, fault.text).json["rejections"]
    single = call(gateway.rest_port, "POST", "/analytics/events/track", fault.text.encode(), headers=JSON)
    expect_error(single, 400, "INVALID_ARGUMENT", fault.reason)
    checked = call(gateway.rest_port, "POST", "/analytics/events/validate", fault.text.encode(), headers=JSON)
    assert single.json["violations"] == rejection["violations"] == checked.json["violations"]
    for violation in rejection["violations"]:
        for name in ("event_id", "event_type", "user_id", "content_type", "schema_version"):
            assert name not in violation["description"]


@pytest.mark.finding(15)
def test_every_rejection_and_every_assigned_id_is_told(gateway: GatewayService) -> None:
    """Of as many events as a message may hold, however long the list."""
    own = "0190a5d0-0000-4000-8000-00000000000a"
    good = json.dumps({"eventType": "view", "data": VIEW, "eventId": own})
    bad = json.dumps({"eventType": "view", "data": {"contentTipe": "post"}})
    answer = send(gateway, *[bad] * 4_000, good, GOOD, *[bad] * 400, GOOD).json
    assert answer["rejected"] == "4400"
    assert [int(each["index"]) for each in answer["rejections"]] == [*range(4_000), *range(4_002, 4_402)]
    assert all(each["violations"] for each in answer["rejections"])
    assert [int(each["index"]) for each in answer["assignedIds"]] == [4_001, 4_402]
    listed = call(gateway.rest_port, "GET", "/analytics/events?eventType=view&timeframe=24h&pageSize=1000").json
    stored = {event["eventId"] for event in listed["events"]}
    assert {each["eventId"] for each in answer["assignedIds"]} <= stored


@pytest.mark.finding(13)
@pytest.mark.parametrize("mend", ["move", "remove"])
def test_a_replay_never_loses_a_misspelt_field(gateway: GatewayService, mend: str) -> None:
    """The event is kept with the field as it was sent; only a patch that says what it means stores it."""
    user = f"misspelt-{mend}"
    text = json.dumps({"eventType": "view", "usrId": user, "data": VIEW}, indent=3)
    send(gateway, text)
    (kept,) = newest_rejections(gateway, 1)
    assert kept.payload.decode() == text
    rejection_id = kept.rejected_event.rejection_id
    request = ReplayRejectedEventsRequest(rejection_ids=[rejection_id])
    again = gateway.admin_stub.ReplayRejectedEvents(request, timeout=20)
    assert (again.stored, again.failed) == (0, 1)
    assert [(each.field, each.rule) for each in again.results[0].violations] == [("usrId", "UNKNOWN_FIELD")]
    if mend == "move":
        request.patches.add(field="usrId", move_to="userId")
    else:
        request.patches.add(field="usrId", remove=True)
    assert gateway.admin_stub.ReplayRejectedEvents(request, timeout=20).stored == 1
    listed = call(gateway.rest_port, "GET", f"/analytics/events?userId={user}&timeframe=24h").json["events"]
    assert [event["eventId"] for event in listed] == ([rejection_id] if mend == "move" else [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "body"),
        (b"{}", "events"),
        (b'{"event": []}', "event"),
        (b'{"events": {}}', "events"),
        (b'{"events": [], "backfil": true}', "backfil"),
        (b'{"events": [], "backfill": "perhaps"}', "backfill"),
    ],
)
def test_what_stands_around_the_events_is_refused_as_a_whole(gateway: GatewayService, body: bytes, field: str) -> None:
    """No event is read; the violation names the field."""
    answer = call(gateway.rest_port, "POST", BATCH, body, headers=JSON)
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_REQUEST")
    assert [violation["field"] for violation in answer.json["violations"]] == [field]


@pytest.mark.parametrize("where", ["query", "document"])
def test_a_backfill_is_said_in_the_query_or_in_the_document(gateway: GatewayService, where: str) -> None:
    """Either takes events of any age."""
    event = {"eventType": "view", "timestamp": "2020-01-01T00:00:00Z", "data": VIEW}
    path, document = (f"{BATCH}?backfill=true", {}) if where == "query" else (BATCH, {"backfill": True})
    answer = call(gateway.rest_port, "POST", path, {"events": [event], **document})
    assert (answer.status, answer.json["stored"]) == (200, "1"), answer


def test_an_empty_batch_is_answered_with_zeros(gateway: GatewayService) -> None:
    """Nothing was sent, so nothing is wrong."""
    answer = call(gateway.rest_port, "POST", BATCH, {"events": []})
    assert (answer.status, answer.json["received"]) == (200, "0"), answer
