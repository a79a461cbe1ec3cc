"""The TypeScript clients: their own checks, and the real service with a page of another origin and with Node."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import eventually
from tests.gateway.browser import Site, site
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call

pytestmark = pytest.mark.slow
CLIENT = Path(__file__).resolve().parents[2] / "clients" / "js"
BUNDLE = CLIENT / "packages" / "analytics" / "dist" / "index.js"
PORTAL = CLIENT / "packages" / "analytics" / "test" / "fixtures" / "portal.ts"
STRIP_TYPES = """
import { readFileSync } from "node:fs";
import typescript from "typescript";
const options = { target: "es2022", module: "es2022" };
process.stdout.write(typescript.transpile(readFileSync(process.argv[1], "utf8"), options));
"""
SERVICE = """
import {{ AnalyticsHelper }} from "@sociallive/analytics-node";
const userId = "{user}", postId = "{content}", purchaseData = {{ productId: "p", orderId: "o", amount: 29.99 }};
// Track from other microservices
AnalyticsHelper.trackView(userId, 'post', postId);
AnalyticsHelper.trackEngagement(userId, 'like', 'post', postId);
AnalyticsHelper.trackPurchase(userId, purchaseData);
await AnalyticsHelper.shutdown();
"""


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """Build the packages, or skip and say why."""
    built = subprocess.run([CLIENT / "check", "--install"], capture_output=True, text=True, check=False)
    if built.returncode and "is not checked" in built.stdout:
        pytest.skip(built.stdout)
    assert built.returncode == 0, built.stdout + built.stderr


@pytest.fixture(scope="module")
def page(gateway: GatewayService) -> Iterator[Site]:
    """A site whose origin the gateway lists."""
    with site(gateway.page_port) as running:
        yield running


def import_module(code: str) -> str:
    """Write an expression that imports a module from its text."""
    blob = f'new Blob([{json.dumps(code)}], {{ type: "text/javascript" }})'
    return f"await import(URL.createObjectURL({blob}))"


def stored(gateway: GatewayService, user: str) -> list[dict[str, object]]:
    """List the events of a user, of the last hour."""
    answer = call(gateway.rest_port, "GET", f"/analytics/events?userId={user}&timeframe=1h")
    events: list[dict[str, object]] = answer.json["events"]
    return events


def run_node(script: str, *arguments: str, **environment: str) -> str:
    """Run a script as a module in the folder of the clients, and return what it prints."""
    node = shutil.which("node")
    assert node is not None
    command = [node, "--input-type=module", "--eval", script, *arguments]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=CLIENT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_the_packages_pass_their_own_checks() -> None:
    """Types, lint, format, tests, size, publint and attw."""
    checked = subprocess.run([CLIENT / "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_page_of_another_origin_stores_events_with_their_outcomes(gateway: GatewayService, page: Site) -> None:
    """Valid ones are stored once, and the page learns which one is rejected and why."""
    user = f"user-{uuid.uuid4()}"
    told = page.run(
        f"""
        const {{ initialize }} = {import_module(BUNDLE.read_text())};
        const rejected = [];
        const analytics = initialize({{
          endpoint: "http://127.0.0.1:{gateway.rest_port}",
          userId: "{user}",
          onReject: (rejection) => rejected.push(rejection),
        }});
        analytics.track("view", {{ contentType: "post", contentId: "post-1" }});
        analytics.track("purchase", {{ productId: "p", orderId: "o", amount: 29.99 }});
        const wrong = analytics.track("view", {{ contentType: "post", contentId: "post-2", scrollDepth: 7 }});
        return {{ left: await analytics.flush(), wrong, rejected }};
        """
    )
    (rejection,) = told["rejected"]
    assert (told["left"], rejection["eventId"], rejection["reason"]) == (0, told["wrong"], "INVALID_EVENT")
    assert [violation["field"] for violation in rejection["violations"]] == ["data.scrollDepth"]
    events = stored(gateway, user)
    assert sorted(str(event["eventType"]) for event in events) == ["purchase", "view"]
    assert {event["timestampSource"] for event in events} == {"TIMESTAMP_SOURCE_CLIENT"}


def test_a_beacon_of_another_origin_is_stored_once(gateway: GatewayService, page: Site) -> None:
    """The page sends the same events again later, because a beacon has no answer."""
    user = f"user-{uuid.uuid4()}"
    left = page.run(
        f"""
        const {{ initialize }} = {import_module(BUNDLE.read_text())};
        const analytics = initialize({{ endpoint: "http://127.0.0.1:{gateway.rest_port}", userId: "{user}" }});
        analytics.track("view", {{ contentType: "post", contentId: "post-1" }});
        const sent = [];
        const sendBeacon = navigator.sendBeacon.bind(navigator);
        navigator.sendBeacon = (...beacon) => sent.push(sendBeacon(...beacon));
        dispatchEvent(new Event("pagehide"));
        return {{ sent, left: await analytics.flush() }};
        """
    )
    assert left == {"sent": [True], "left": 0}
    eventually("it is stored", lambda: len(stored(gateway, user)) == 1)


def test_the_plain_requests_of_the_web_portal_store_events(gateway: GatewayService, page: Site) -> None:
    """The snippet of the request as it stands, on a page whose /api is the gateway's."""
    content = f"post-{uuid.uuid4()}"
    page.run(
        f"""
        const base = document.createElement("base");
        base.href = "http://127.0.0.1:{gateway.rest_port}/";
        document.head.append(base);
        const {{ trackEvent }} = {import_module(run_node(STRIP_TYPES, str(PORTAL)))};
        await trackEvent("view", {{ contentType: "post", contentId: "{content}" }});
        base.remove();
        """
    )
    answer = call(gateway.rest_port, "GET", "/analytics/events?eventType=view&timeframe=1h&pageSize=1000")
    assert [event["view"]["contentId"] for event in answer.json["events"]].count(content) == 1


def test_a_service_in_node_stores_events_by_the_calls_of_the_request(gateway: GatewayService) -> None:
    """The snippet of the request as it stands but for its import."""
    user = f"user-{uuid.uuid4()}"
    endpoint = f"http://127.0.0.1:{gateway.rest_port}"
    run_node(SERVICE.format(user=user, content="post-1"), ANALYTICS_ENDPOINT=endpoint)
    events = stored(gateway, user)
    assert sorted(str(event["eventType"]) for event in events) == ["engagement", "purchase", "view"]
    assert {event["platform"] for event in events} == {"server"}
