"""What people expect of an HTTP API: statuses, one shape of errors, CORS, gzip, request ids, beacons, limits."""

import gzip
import json
import uuid
from contextlib import suppress
from typing import Any

import pytest

from tests.gateway.conftest import ORIGIN, GatewayService
from tests.gateway.http import call, expect_error

VIEW: dict[str, Any] = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-123"}}
TRACK = "/analytics/events/track"


def test_an_invalid_event_names_every_field_as_json_callers_write_it(gateway: GatewayService) -> None:
    """400 lists the violations."""
    answer = call(gateway.rest_port, "POST", TRACK, {"eventType": "view", "data": {"contentTipe": "post"}})
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_EVENT")
    rules = {at["field"]: at["rule"] for at in answer.json["violations"]}
    assert rules == {
        "data.contentTipe": "UNKNOWN_FIELD",
        "data.contentType": "REQUIRED",
        "data.contentId": "REQUIRED",
    }


def test_a_bad_question_names_its_parameter(gateway: GatewayService) -> None:
    """A report's 400 names the query parameter."""
    answer = call(gateway.rest_port, "GET", "/analytics/dashboard?timeZone=Mars/Olympus")
    expect_error(answer, 400, "INVALID_ARGUMENT", "INVALID_REQUEST")
    assert [at["field"] for at in answer.json["violations"]] == ["timeZone"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code", "reason"),
    [
        ("GET", "/analytics/dashboard?timefame=7d", None, {}, 400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("GET", "/analytics/nothing", None, {}, 404, "NOT_FOUND", "NO_SUCH_PATH"),
        ("GET", TRACK, None, {}, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("DELETE", "/analytics/dashboard", None, {}, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        ("POST", "/events/health", None, {}, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"),
        (
            "POST",
            TRACK,
            b"a=b",
            {"content-type": "application/x-www-form-urlencoded"},
            415,
            "INVALID_ARGUMENT",
            "NOT_JSON",
        ),
        ("POST", TRACK, b"{}", {"content-encoding": "br"}, 415, "INVALID_ARGUMENT", "NOT_JSON"),
        ("POST", "/sociallive.analytics.v1.AnalyticsService/Track", b"{}", {}, 404, "NOT_FOUND", "NO_SUCH_PATH"),
        ("GET", "/analytics/dashboard?x=%00", None, {}, 400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("GET", "/analytics/dashboard", None, {"a_b": "c"}, 400, "INVALID_ARGUMENT", "BAD_REQUEST"),
        (
            "GET",
            "/analytics/dashboard",
            None,
            {"connection": "upgrade", "upgrade": "websocket"},
            403,
            "UNKNOWN",
            "REFUSED_BY_GATEWAY",
        ),
    ],
    ids=[
        *("parameter", "path", "get", "delete", "health", "form"),
        *("brotli", "JSON to gRPC", "NUL", "underscore", "websocket"),
    ],
)
def test_every_refusal_has_its_status_and_the_one_shape(
    gateway: GatewayService,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    code: str,
    reason: str,
) -> None:
    """What is wrong with a request is told by a status, a code and a reason."""
    sent = {"content-type": "application/json", **headers} if body is not None else headers
    expect_error(call(gateway.rest_port, method, path, body, headers=sent), status, code, reason)


def test_a_405_says_what_is_allowed(gateway: GatewayService) -> None:
    """The header `allow` names the methods."""
    assert call(gateway.rest_port, "GET", TRACK).headers["allow"] == "POST"


def test_another_event_under_a_stored_id_is_a_conflict(gateway: GatewayService) -> None:
    """The same event is a duplicate, another one is 409."""
    event = {**VIEW, "eventId": str(uuid.uuid4())}
    assert call(gateway.rest_port, "POST", TRACK, event).json["status"] == "EVENT_STATUS_STORED"
    assert call(gateway.rest_port, "POST", TRACK, event).json["status"] == "EVENT_STATUS_DUPLICATE"
    other = {**event, "data": {**VIEW["data"], "contentId": "post-124"}}
    expect_error(call(gateway.rest_port, "POST", TRACK, other), 409, "ALREADY_EXISTS", "ID_CONFLICT")


def test_a_body_past_the_limit_is_413(gateway: GatewayService) -> None:
    """A JSON text of 8 MB is refused, and the next request is answered."""
    large = {**VIEW, "data": {**VIEW["data"], "referrer": "x" * 8_000_000}}
    for _ in range(10):
        # The answer comes, and the connection closes, while the body is sent; at times that is told first.
        with suppress(ConnectionError):
            answer = call(gateway.rest_port, "POST", TRACK, large)
            break
    expect_error(answer, 413, "OUT_OF_RANGE", "BODY_TOO_LARGE")
    assert call(gateway.rest_port, "POST", TRACK, VIEW).status == 200


def test_a_preflight_is_answered_for_listed_origins_only(gateway: GatewayService) -> None:
    """Browsers of the listed origin may call and may remember that they may; others are not told so."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    allowed = call(gateway.rest_port, "OPTIONS", TRACK, headers={"origin": ORIGIN, **asked})
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert allowed.headers["access-control-max-age"] == "7200"
    assert "content-type" in allowed.headers["access-control-allow-headers"]
    other = call(gateway.rest_port, "OPTIONS", TRACK, headers={"origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in other.headers
    assert call(gateway.rest_port, "POST", TRACK, VIEW, headers={"origin": ORIGIN}).headers[
        "access-control-allow-origin"
    ] == (ORIGIN)


def test_bodies_are_compressed_both_ways(gateway: GatewayService) -> None:
    """A gzipped event is stored; a large answer is gzipped for who accepts it."""
    packed = gzip.compress(json.dumps(VIEW).encode())
    sent = {"content-type": "application/json", "content-encoding": "gzip"}
    assert call(gateway.rest_port, "POST", TRACK, packed, headers=sent).status == 200
    answer = call(gateway.rest_port, "GET", "/analytics/dashboard?timeframe=7d", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "events" in json.loads(gzip.decompress(answer.body))


def test_a_request_id_is_passed_through_and_logged(gateway: GatewayService) -> None:
    """The caller's id comes back and stands in the server's line; a caller without one gets one."""
    mine = f"request-{uuid.uuid4()}"
    answer = call(gateway.rest_port, "GET", "/analytics/dashboard", headers={"x-request-id": mine})
    assert answer.headers["x-request-id"] == mine
    assert mine in gateway.output()
    assert call(gateway.rest_port, "GET", "/analytics/dashboard").headers["x-request-id"]


@pytest.mark.parametrize("path", [TRACK, "/analytics/events/batch"])
def test_a_beacon_is_taken(gateway: GatewayService, path: str) -> None:
    """navigator.sendBeacon sends a text as text/plain."""
    body = json.dumps(VIEW if path == TRACK else {"events": [VIEW]}).encode()
    answer = call(gateway.rest_port, "POST", path, body, headers={"content-type": "text/plain;charset=UTF-8"})
    assert answer.status == 200, answer


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_headers_of_a_page_do_no_harm(gateway: GatewayService, method: str) -> None:
    """Cookies of 16 KB, as a portal on the same host may have, stay at the gateway."""
    path, body = ("/analytics/dashboard", None) if method == "GET" else (TRACK, VIEW)
    sent = {"cookie": "c=" + "x" * 16_000, "referer": "https://shop.example/" + "x" * 2_000, "user-agent": "x" * 2_000}
    assert call(gateway.rest_port, method, path, body, headers=sent).status == 200


def test_administration_is_not_to_be_found(gateway: GatewayService) -> None:
    """AdminService answers on the admin port alone."""
    answer = call(gateway.rest_port, "POST", "/sociallive.analytics.v1.AdminService/ListRejectedEvents", b"")
    expect_error(answer, 404, "NOT_FOUND", "NO_SUCH_PATH")
