"""Pages of a listed origin may read every answer, errors as well; other pages none."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import free_port
from tests.gateway.conftest import ORIGIN, GatewayService
from tests.gateway.http import call
from tests.gateway.running import running_gateway

TRACK = "/analytics/events/track"
FORM = {"content-type": "application/x-www-form-urlencoded"}
ANSWERS: dict[str, tuple[str, str, bytes | None, dict[str, str], int]] = {
    "event": ("POST", TRACK, b'{"eventType":"view","data":{"contentType":"post","contentId":"p"}}', {}, 200),
    "report": ("GET", "/analytics/dashboard", None, {}, 200),
    "health": ("GET", "/events/health", None, {}, 200),
    "description": ("GET", "/openapi.json", None, {}, 200),
    "invalid event": ("POST", TRACK, b"{}", {}, 400),
    "no JSON": ("POST", TRACK, b"{", {}, 400),
    "bad question": ("GET", "/analytics/dashboard?timeframe=x", None, {}, 400),
    "escaped slash": ("GET", "/analytics%2fdashboard", None, {}, 400),
    "no such path": ("GET", "/nothing", None, {}, 404),
    "no such schema": ("GET", "/analytics/schemas/view/9.9.9", None, {}, 404),
    "method": ("DELETE", TRACK, None, {}, 405),
    "body too large": ("POST", TRACK, b"x" * 5_000_000, {}, 413),
    "query too long": ("GET", f"/analytics/dashboard?timeframe={'x' * 10_000}", None, {}, 414),
    "form": ("POST", TRACK, b"a=b", FORM, 415),
}
"""By name: method, path, body, headers, status."""
BY_A_SERVER = {"event", "report", "invalid event", "no JSON", "bad question", "no such schema"}
"""Answers that the gateway does not make by itself."""


@pytest.mark.finding(18)
@pytest.mark.parametrize("name", ANSWERS)
def test_a_listed_page_may_read_every_answer(gateway: GatewayService, name: str) -> None:
    """The header names the page's origin once, and the headers that it may read; another page has neither."""
    method, path, body, headers, status = ANSWERS[name]
    sent = {**({"content-type": "application/json"} if body else {}), **headers}
    answer = call(gateway.rest_port, method, path, body, headers={**sent, "origin": ORIGIN})
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (status, ORIGIN)
    assert {"retry-after", "x-request-id", "allow"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    for stranger in ("https://evil.example", f"{ORIGIN}.evil.example", ORIGIN.replace(".", "x")):
        answer = call(gateway.rest_port, method, path, body, headers={**sent, "origin": stranger})
        # A server refuses them, too: without a key, the pages of listed origins alone may call.
        assert answer.status == (403 if name in BY_A_SERVER else status)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.finding(18)
def test_a_page_may_read_that_no_server_answers(tmp_path: Path) -> None:
    """503 of reports, events and health, where any page may call."""
    settings: dict[str, Any] = {"ANALYTICS_CORS_ORIGINS": "*"}
    with running_gateway(tmp_path / "gateway", f"127.0.0.1:{free_port()}", **settings) as (_, port):
        for method, path, body in (
            ("GET", "/analytics/dashboard", None),
            ("POST", TRACK, {}),
            ("GET", "/events/health", None),
        ):
            answer = call(port, method, path, body, headers={"origin": "https://any.example"})
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (503, "https://any.example")
