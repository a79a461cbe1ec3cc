"""No log of any process holds a key or a token, good or bad, however it is sent."""

import uuid
from pathlib import Path

import pytest

from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.key_service_pb2 import KeyKind
from tests.acceptance.running import Service, eventually, free_port
from tests.access.guarded import bearer, code_of, guarded_service
from tests.gateway.http import call
from tests.gateway.running import need_envoy

TRACK = "/analytics/events/track"
EVENT = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
CANARY = f"canary{uuid.uuid4().hex}"


@pytest.mark.slow
def test_no_log_holds_a_credential(made_data_dir: Path) -> None:
    """Keys and tokens by both doors, in headers and in the query, at the most talkative level."""
    need_envoy()
    with guarded_service(made_data_dir, ANALYTICS_GATEWAY="auto", ANALYTICS_LOG_LEVEL="debug") as service:
        public = service.make_key("ingest", kind=KeyKind.KEY_KIND_PUBLIC)
        private = service.make_key("ingest", "read.reports")
        token = service.issuer.token()
        bad = [f"sla_srv_{CANARY}", f"sla_pub_{CANARY}", CANARY, f"{CANARY}.{CANARY}.{CANARY}", private.text[:-1] + "0"]
        for credential in (private.text, token, *bad):
            code_of(
                lambda held=credential: service.stub.GetDashboard(
                    GetDashboardRequest(), metadata=bearer(held), timeout=10
                )
            )
            call(service.rest_port, "POST", TRACK, EVENT, headers={"authorization": f"Bearer {credential}"})
            call(service.rest_port, "POST", f"{TRACK}?key={credential}", EVENT)
        assert call(service.rest_port, "POST", f"{TRACK}?key={public.text}", EVENT).status == 200
        service.revoke(public)
        eventually(
            "the revoked key is refused",
            lambda: call(service.rest_port, "POST", f"{TRACK}?key={public.text}", EVENT).status == 401,
        )
        assert service.stop() == 0
    logs = "".join(path.read_text(errors="replace") for path in (service.log, *made_data_dir.glob("postgres.log*")))
    assert '"event":"rpc"' in logs
    for secret in (CANARY, service.admin, public.text, private.text, private.text[:-1], token):
        assert secret not in logs


def test_a_gateway_that_logs_a_failed_call_leaves_its_key_out(data_dir: Path) -> None:
    """The line has the path of the call, without its query."""
    need_envoy()
    port = free_port()
    gateway = Service(data_dir, command="gateway", PORT=str(port), ANALYTICS_UPSTREAMS="127.0.0.1:1")
    data_dir.parent.mkdir(exist_ok=True)
    gateway.spawn()
    try:
        eventually("it serves", lambda: "gateway_serving" in gateway.output(), timeout_s=30)
        assert call(port, "POST", f"{TRACK}?key=sla_pub_{CANARY}", EVENT).status == 503
        eventually("the call is logged", lambda: '"gateway_failed"' in gateway.output())
        assert TRACK in gateway.output()
        assert CANARY not in gateway.output()
    finally:
        gateway.stop()
