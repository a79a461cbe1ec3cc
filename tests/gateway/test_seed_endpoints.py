"""Every endpoint and every JSON example of the original request, verbatim, through the real Envoy."""

import json
import uuid
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.samples import EXAMPLES
from tests.gateway.conftest import GatewayService
from tests.gateway.http import Answer, call

TRACK = """
{
  "eventType": "view",
  "data": {
    "contentType": "post",
    "contentId": "post-123",
    "viewDuration": 45
  }
}
"""
OF_TYPE: dict[str, dict[str, Any]] = {
    "view": {"contentType": "post", "contentId": "post-123", "viewDuration": 45.0},
    "engagement": {"action": "like", "targetType": "post", "targetId": "post-123"},
    "purchase": {"productId": "product-456", "orderId": "order-789", "amount": 29.99, "currency": "USD"},
    "stream": {"streamId": "stream-1", "action": "join"},
    "session": {"action": "start"},
}


def stored(gateway: GatewayService, event_id: str, event_type: str) -> dict[str, Any]:
    """Find one stored event by asking for those of its type."""
    answer = call(gateway.rest_port, "GET", f"/analytics/events?eventType={event_type}&timeframe=24h&pageSize=1000")
    assert answer.status == 200, answer
    (event,) = (event for event in answer.json["events"] if event["eventId"] == event_id)
    return dict(event)


def holds(event: dict[str, Any], sent: dict[str, Any], event_type: str) -> bool:
    """Tell whether the stored event holds everything that was sent."""
    return {name: event[event_type][name] for name in sent} == sent


def expect_stored(answer: Answer) -> str:
    """See that the event was stored, and return its id."""
    assert answer.status == 200, answer
    assert answer.json["status"] == "EVENT_STATUS_STORED"
    return str(answer.json["eventId"])


@pytest.mark.parametrize(
    "example", [TRACK, EXAMPLES["engagement"], EXAMPLES["purchase"]], ids=["track", "engagement", "purchase"]
)
def test_track_takes_the_examples_as_they_stand(gateway: GatewayService, example: str) -> None:
    """POST /analytics/events/track stores the event of the example, and the row holds all of it."""
    sent = json.loads(example)
    event_id = expect_stored(call(gateway.rest_port, "POST", "/analytics/events/track", sent))
    assert holds(stored(gateway, event_id, sent["eventType"]), sent["data"], sent["eventType"])


def test_the_view_example_stands_but_for_its_placeholder_and_its_age(gateway: GatewayService) -> None:
    """Its eventId is the word "uuid" and its time is years ago; with a real id, a backfill takes it in a batch."""
    sent = json.loads(EXAMPLES["view"])
    refused = call(gateway.rest_port, "POST", "/analytics/events/track", sent)
    assert refused.status == 400
    assert refused.json["violations"][0]["field"] == "eventId"
    sent["eventId"] = str(uuid.uuid4())
    answer = call(gateway.rest_port, "POST", "/analytics/events/batch", {"events": [sent], "backfill": True})
    assert (answer.status, answer.json["stored"]) == (200, "1")
    found = call(
        gateway.rest_port, "GET", "/analytics/events?startTime=2024-01-01T12:00:00Z&endTime=2024-01-01T12:00:01Z"
    ).json["events"]
    (event,) = (event for event in found if event["eventId"] == sent["eventId"])
    assert holds(event, sent["data"], "view")
    assert (event["userId"], event["sessionId"], event["platform"]) == ("user-123", "session-456", "mobile")
    assert (event["timestamp"], event["schemaVersion"]) == ("2024-01-01T12:00:00Z", "1.1.0")


def test_batch_takes_several_events_and_counts_them(gateway: GatewayService) -> None:
    """POST /analytics/events/batch stores the good ones, and names what is wrong with the bad one."""
    events = [json.loads(example) for example in (TRACK, EXAMPLES["engagement"], EXAMPLES["purchase"])]
    answer = call(
        gateway.rest_port,
        "POST",
        "/analytics/events/batch",
        {"events": [*events, {"eventType": "view", "data": {"contentTipe": "post"}}]},
    )
    assert answer.status == 200, answer
    counts = {name: answer.json[name] for name in ("received", "stored", "duplicates", "rejected", "spooled")}
    assert counts == {"received": "4", "stored": "3", "duplicates": "0", "rejected": "1", "spooled": "0"}
    assert answer.json["rejections"][0]["index"] == "3"
    assert answer.json["rejections"][0]["violations"][0]["field"] == "data.contentTipe"


@pytest.mark.parametrize("event_type", OF_TYPE)
def test_each_type_has_an_endpoint_of_its_own(gateway: GatewayService, event_type: str) -> None:
    """POST /analytics/events/TYPE takes an event whose type the path says."""
    payload = OF_TYPE[event_type]
    sent = {"userId": f"user-of-{event_type}", "platform": "web", "data": payload}
    event_id = expect_stored(call(gateway.rest_port, "POST", f"/analytics/events/{event_type}", sent))
    event = stored(gateway, event_id, event_type)
    assert holds(event, payload, event_type)
    assert (event["userId"], event["platform"]) == (f"user-of-{event_type}", "web")


def test_the_dashboard_answers(gateway: GatewayService) -> None:
    """GET /analytics/dashboard?timeframe=7d counts a new event."""
    before = int(call(gateway.rest_port, "GET", "/analytics/dashboard?timeframe=7d").json["events"])
    expect_stored(call(gateway.rest_port, "POST", "/analytics/events/track", json.loads(TRACK)))
    after = call(gateway.rest_port, "GET", "/analytics/dashboard?timeframe=7d")
    assert (after.status, int(after.json["events"])) == (200, before + 1)


def test_events_are_listed(gateway: GatewayService) -> None:
    """GET /analytics/events?eventType=view&timeframe=24h answers the newest event first."""
    event_id = expect_stored(call(gateway.rest_port, "POST", "/analytics/events/track", json.loads(TRACK)))
    answer = call(gateway.rest_port, "GET", "/analytics/events?eventType=view&timeframe=24h")
    assert answer.json["events"][0]["eventId"] == event_id


@pytest.mark.parametrize(
    "query",
    [
        "steps=view&steps=purchase",
        f"steps={quote(json.dumps(['view', 'purchase']))}",
        "steps=" + quote("engagement:action=like") + "&steps=" + quote("purchase:paymentMethod=wallet,amount>=20"),
    ],
    ids=["repeated", "array", "filters"],
)
def test_the_funnel_takes_steps_in_both_forms(gateway: GatewayService, query: str) -> None:
    """GET /analytics/funnel?steps=... takes the parameter repeatedly and as one JSON array."""
    user = f"user-{uuid.uuid4()}"
    for example in (TRACK, EXAMPLES["engagement"], EXAMPLES["purchase"]):
        call(gateway.rest_port, "POST", "/analytics/events/track", {**json.loads(example), "userId": user})
    answer = call(gateway.rest_port, "GET", f"/analytics/funnel?{query}")
    assert answer.status == 200, answer
    first, second = answer.json["steps"]
    assert int(first["users"]) >= int(second["users"]) >= 1


@pytest.mark.parametrize("report", ["cohort", "retention"])
def test_cohort_and_retention_answer(gateway: GatewayService, report: str) -> None:
    """GET /analytics/cohort?timeframe=30d and /analytics/retention?timeframe=30d answer their cohorts."""
    expect_stored(call(gateway.rest_port, "POST", "/analytics/events/track", json.loads(TRACK)))
    answer = call(gateway.rest_port, "GET", f"/analytics/{report}?timeframe=30d")
    assert answer.status == 200, answer
    assert answer.json["cohorts"]


def test_schemas_are_listed_and_shown(gateway: GatewayService) -> None:
    """GET /analytics/schemas and /analytics/schemas/view/1.1.0 answer; a version that is not there is 404."""
    listed = call(gateway.rest_port, "GET", "/analytics/schemas").json["schemas"]
    assert {"view", "purchase"} <= {schema["eventType"] for schema in listed}
    shown = call(gateway.rest_port, "GET", "/analytics/schemas/view/1.1.0")
    assert shown.json["jsonSchema"]["$schema"].startswith("https://json-schema.org/draft/2020-12")
    missing = call(gateway.rest_port, "GET", "/analytics/schemas/view/9.9.9")
    assert (missing.status, missing.json["code"], missing.json["reason"]) == (404, "NOT_FOUND", "UNKNOWN_VERSION")


def test_validate_stores_nothing(gateway: GatewayService) -> None:
    """POST /analytics/events/validate lists the violations of an event with 200."""
    answer = call(gateway.rest_port, "POST", "/analytics/events/validate", {"eventType": "view", "data": {}})
    assert answer.status == 200
    assert {at["field"] for at in answer.json["violations"]} == {"data.contentType", "data.contentId"}


@pytest.mark.parametrize("path", ["/events/health", "/analytics/health"])
def test_health_answers(gateway: GatewayService, path: str) -> None:
    """GET /events/health is 200 with a small JSON while the service serves."""
    answer = call(gateway.rest_port, "GET", path)
    assert (answer.status, answer.json) == (200, {"status": "SERVING", "storage": "SERVING"})
