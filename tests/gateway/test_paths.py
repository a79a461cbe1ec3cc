"""Each path answers HEAD where it answers GET, also below /api, and nothing of gRPC shows in an answer."""

import json
import socket
from typing import Any

import pytest

from gateway.rest import bindings
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call, expect_error

VIEW: dict[str, Any] = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
READ = ["/events/health", "/openapi.json", *(binding.path for binding in bindings() if binding.method == "GET")]
QUERIES = {
    "/analytics/funnel": "?steps=view&steps=purchase",
    "/analytics/funnel/actors": "?funnel.steps=view&funnel.steps=purchase&step=1",
}
"""What a path needs to answer 200."""
MAY_DIFFER = frozenset({"date", "x-request-id"})


def concrete(path: str) -> str:
    """Fill in the variables of a path, and its query."""
    return path.replace("{event_type}", "view").replace("{version}", "1.1.0") + QUERIES.get(path, "")


@pytest.mark.finding(18)
@pytest.mark.parametrize("path", READ)
def test_head_answers_the_headers_of_get(gateway: GatewayService, path: str) -> None:
    """The same status and headers, also where the caller takes gzip; what follows on the connection is answered."""
    got = call(gateway.rest_port, "GET", concrete(path))
    assert got.status == 200, got
    answer = call(gateway.rest_port, "HEAD", concrete(path), headers={"accept-encoding": "gzip"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == got.headers["content-type"]
    request = f"HEAD {concrete(path)} HTTP/1.1\r\nhost: localhost\r\n\r\n"
    request += "GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.rest_port), timeout=20) as connection:
        connection.sendall(request.encode())
        text = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, rest = text.partition(b"\r\n\r\n")
    assert b"\r\ncontent-length: 0\r\n" not in head
    assert rest.startswith(b"HTTP/1.1 404 "), text


@pytest.mark.finding(18)
def test_head_of_an_error_has_its_status_alone(gateway: GatewayService) -> None:
    """404 of the server and of the gateway, 400 and 405."""
    for path, status in (
        ("/analytics/schemas/view/9.9.9", 404),
        ("/analytics/nothing", 404),
        ("/analytics/dashboard?timeframe=x", 400),
        ("/analytics/events/track", 405),
    ):
        answer = call(gateway.rest_port, "HEAD", path)
        assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("binding", bindings(), ids=lambda binding: f"{binding.method} {binding.path}")
def test_every_path_stands_below_api_too(gateway: GatewayService, binding: Any) -> None:
    """The same answer, good or bad, and the same refusals."""
    path = concrete(binding.path)
    body: Any = {} if binding.method == "POST" else None
    plain, below = (call(gateway.rest_port, binding.method, alias + path, body) for alias in ("", "/api"))
    assert plain.status in {200, 400}
    assert below.status == plain.status
    assert below.headers.keys() - MAY_DIFFER == plain.headers.keys() - MAY_DIFFER
    assert below.json.keys() == plain.json.keys()
    if plain.status == 400:
        assert below.json == plain.json
    refused = call(gateway.rest_port, "DELETE", f"/api{path}")
    expect_error(refused, 405, "UNIMPLEMENTED", "METHOD_NOT_ALLOWED")
    assert refused.headers["allow"] == ("POST" if binding.method == "POST" else "GET, HEAD")


def test_the_web_portal_of_the_request_tracks_its_events(gateway: GatewayService) -> None:
    """POST /api/analytics/events/track stores an event, and has the limits of the path that it stands for."""
    path = "/api/analytics/events/track"
    answer = call(gateway.rest_port, "POST", path, VIEW)
    assert (answer.status, answer.json["status"]) == (200, "EVENT_STATUS_STORED")
    form = {"content-type": "application/x-www-form-urlencoded"}
    expect_error(call(gateway.rest_port, "POST", path, b"a=b", headers=form), 415, "INVALID_ARGUMENT", "NOT_JSON")
    large = json.dumps({**VIEW, "data": {"referrer": "x" * 5_000_000}}).encode()
    expect_error(call(gateway.rest_port, "POST", path, large), 413, "OUT_OF_RANGE", "BODY_TOO_LARGE")
    expect_error(call(gateway.rest_port, "GET", "/api/nothing"), 404, "NOT_FOUND", "NO_SUCH_PATH")


@pytest.mark.finding(18)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/analytics/events/track", VIEW),
        ("POST", "/analytics/events/track", {"eventType": "view", "data": {}}),
        ("GET", "/analytics/dashboard", None),
        ("GET", "/analytics/dashboard?timeframe=x", None),
        ("HEAD", "/analytics/dashboard", None),
    ],
)
def test_a_rest_answer_has_no_headers_of_grpc(gateway: GatewayService, method: str, path: str, body: Any) -> None:
    """Neither grpc-status nor what goes with it."""
    answer = call(gateway.rest_port, method, path, body)
    assert [name for name in answer.headers if name.startswith("grpc-")] == []
