"""What pages do, in a real browser: fetch, beacons and gRPC-web, across origins."""

import asyncio
import base64
import json
import re
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.envoy_process import ask_admin
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest, TrackResponse
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import eventually
from tests.gateway.browser import Site, site
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call
from tests.gateway.running import ENVOY

EXAMPLE = re.compile(r"^```js\n(.*?)^```", re.MULTILINE | re.DOTALL)
GRPC_WEB = """
const frame = Uint8Array.from(atob("{frame}"), (character) => character.charCodeAt(0));
const answer = await fetch("{url}", {{
  method: "POST",
  headers: {{
    "accept": "{content_type}",
    "content-type": "{content_type}",
    "x-grpc-web": "1",
    "x-user-agent": "grpc-web-javascript/0.1",
  }},
  body: {body},
}});
const bytes = new Uint8Array(await answer.arrayBuffer());
return {{ status: answer.status, type: answer.headers.get("content-type"), body: btoa(String.fromCharCode(...bytes)) }};
"""


@pytest.fixture(scope="module")
def page(gateway: GatewayService) -> Iterator[Site]:
    """A site whose origin the gateway lists."""
    with site(gateway.page_port) as running:
        yield running


def content_ids(gateway: GatewayService) -> list[str]:
    """List the content of the views of the last hour."""
    answer = call(gateway.rest_port, "GET", "/analytics/events?eventType=view&timeframe=1h&pageSize=1000")
    return [event["view"]["contentId"] for event in answer.json["events"]]


def grpc_web(gateway: GatewayService, page: Site, method: str, message: Any, *, as_text: bool) -> bytes:
    """Call from the page as gRPC-web's clients do; return the answer's message, once its trailers say OK."""
    content_type = "application/grpc-web-text" if as_text else "application/grpc-web+proto"
    serialized = message.SerializeToString()
    frame = b"\0" + struct.pack(">I", len(serialized)) + serialized
    told = page.run(
        GRPC_WEB.format(
            frame=base64.b64encode(frame).decode(),
            url=f"http://127.0.0.1:{gateway.rest_port}/sociallive.analytics.v1.AnalyticsService/{method}",
            content_type=content_type,
            body="btoa(String.fromCharCode(...frame))" if as_text else "frame",
        )
    )
    assert told["status"] == 200
    assert told["type"].startswith(content_type)
    body = base64.b64decode(told["body"])
    if as_text:
        body = b"".join(map(base64.b64decode, re.findall(rb"[^=]+=*", body)))
    (length,) = struct.unpack(">I", body[1:5])
    assert b"grpc-status:0" in body[5 + length :].replace(b" ", b"")
    return body[5 : 5 + length]


def counted(gateway: GatewayService, name: str) -> int:
    """Ask Envoy for one of its counters."""
    (envoy,) = gateway.pids(ENVOY)
    command = Path(f"/proc/{envoy}/cmdline").read_text().split("\0")
    socket = Path(command[command.index("--config-path") + 1]).with_name("admin-0.sock")
    with asyncio.Runner() as runner:
        answer = runner.run(ask_admin(socket, "GET", f"/stats?filter=^{name}$")).decode()
    found = re.search(rf"{name}: (\d+)", answer)
    return int(found[1]) if found else 0


def test_the_documented_calls_of_pages_store_their_events(gateway: GatewayService, page: Site) -> None:
    """The lines of docs/gateway.md, fetch and navigator.sendBeacon, as they stand but for the address."""
    (example,) = EXAMPLE.findall(Path("docs/gateway.md").read_text())
    content_id = f"post-{uuid.uuid4()}"
    data = json.dumps({"contentType": "post", "contentId": content_id})
    there = example.replace("https://analytics.example", f"http://127.0.0.1:{gateway.rest_port}")
    page.run(f'const eventType = "view", data = {data};\n{there}')
    eventually("both are stored", lambda: content_ids(gateway).count(content_id) == 2)


@pytest.mark.parametrize("as_text", [False, True], ids=["binary", "text"])
def test_grpc_web_stores_an_event_and_reads_a_report(gateway: GatewayService, page: Site, *, as_text: bool) -> None:
    """Both forms of gRPC-web, from a page of another origin."""
    content_id = f"post-{uuid.uuid4()}"
    event = Event(view=ViewEvent(content_type="post", content_id=content_id))
    stored = grpc_web(gateway, page, "Track", TrackRequest(event=event), as_text=as_text)
    assert TrackResponse.FromString(stored).status == EventStatus.EVENT_STATUS_STORED
    assert content_id in content_ids(gateway)
    report = grpc_web(gateway, page, "GetDashboard", GetDashboardRequest(timeframe="1h"), as_text=as_text)
    assert GetDashboardResponse.FromString(report).events >= 1


def test_a_browser_asks_once_and_remembers_that_it_may_call(gateway: GatewayService, page: Site) -> None:
    """Three calls cost one preflight; a page reads reports, errors and the headers that say when to come back."""
    before = counted(gateway, "http.gateway.cors.origin_valid")
    told = page.run(
        f"""
        const told = [];
        for (const data of [{{}}, {{ contentType: "post" }}, {{ contentType: "post", contentId: "post-1" }}]) {{
          const answer = await fetch("http://127.0.0.1:{gateway.rest_port}/analytics/events/track", {{
            method: "POST",
            headers: {{ "content-type": "application/json" }},
            body: JSON.stringify({{ eventType: "view", data }}),
          }});
          const {{ reason }} = await answer.json();
          told.push([answer.status, reason ?? "", answer.headers.get("x-request-id") !== null]);
        }}
        return told;
        """
    )
    assert told == [[400, "INVALID_EVENT", True], [400, "INVALID_EVENT", True], [200, "", True]]
    assert counted(gateway, "http.gateway.cors.origin_valid") - before == 1 + 3


@pytest.mark.finding(18)
def test_a_page_reads_why_a_request_is_refused(gateway: GatewayService, page: Site) -> None:
    """Each refusal is an answer with a status and a reason, not the TypeError of an answer that a page may not read."""
    told = page.run(
        f"""
        const gateway = "http://127.0.0.1:{gateway.rest_port}";
        const post = (body, type) => ({{ method: "POST", headers: {{ "content-type": type }}, body }});
        const told = [];
        for (const [path, options] of [
          ["/nothing", {{}}],
          ["/analytics/events/track", {{}}],
          ["/analytics/events/track", post("a=b", "application/x-www-form-urlencoded")],
          ["/analytics/events/track", post("{{", "application/json")],
          ["/analytics/events/track", post("x".repeat(5e6), "application/json")],
          ["/analytics/dashboard?timefame=7d", {{}}],
          ["/analytics%2Fdashboard", {{}}],
        ]) {{
          const answer = await fetch(gateway + path, options);
          told.push([answer.status, (await answer.json()).reason]);
        }}
        told.push((await (await fetch(gateway + "/events/health")).json()).status);
        return told;
        """
    )
    assert told == [
        [404, "NO_SUCH_PATH"],
        [405, "METHOD_NOT_ALLOWED"],
        [415, "NOT_JSON"],
        [400, "INVALID_EVENT"],
        [413, "BODY_TOO_LARGE"],
        [400, "INVALID_REQUEST"],
        [400, "BAD_REQUEST"],
        "SERVING",
    ]


def test_a_page_of_another_origin_may_not_call(gateway: GatewayService) -> None:
    """Its browser asks first, and then does not send the event."""
    content_id = f"post-{uuid.uuid4()}"
    with site() as stranger:
        told = stranger.run(
            f"""
            return await fetch("http://127.0.0.1:{gateway.rest_port}/analytics/events/track", {{
              method: "POST",
              headers: {{ "content-type": "application/json" }},
              body: JSON.stringify({{ eventType: "view", data: {{ contentType: "post", contentId: "{content_id}" }} }}),
            }}).then(() => "answered", (error) => error.name);
            """
        )
    assert told == "TypeError"
    assert content_id not in content_ids(gateway)
