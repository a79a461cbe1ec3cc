"""GET /events/health follows whether events are taken, and says how storage is."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Service, eventually, free_port
from tests.gateway.http import Answer, call, expect_error
from tests.gateway.running import need_envoy

VIEW: dict[str, Any] = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
PATHS = ("/events/health", "/analytics/health", "/api/analytics/health")


@pytest.mark.slow
@pytest.mark.finding(18)
def test_health_serves_while_events_are_spooled_and_fails_once_the_spool_is_full(made_data_dir: Path) -> None:
    """While Postgres hangs, Track answers SPOOLED and health 200; when the spool is full, both answer 503."""
    need_envoy()
    port = free_port()

    def health() -> Answer:
        return call(port, "GET", PATHS[0])

    settings: dict[str, Any] = {"PORT": str(port), "ANALYTICS_GATEWAY": "auto", "ANALYTICS_SPOOL_MAX_BYTES": "400000"}
    with Service(made_data_dir, **settings) as service:
        assert (health().status, health().json) == (200, {"status": "SERVING", "storage": "SERVING"})
        postgres = service.pids("postgres")
        for pid in postgres:
            os.kill(pid, signal.SIGSTOP)
        try:
            eventually("storage is told gone", lambda: service.health("storage") == "NOT_SERVING")
            answer = call(port, "POST", "/analytics/events/track", VIEW)
            assert (answer.status, answer.json["status"]) == (200, "EVENT_STATUS_SPOOLED")
            for path in PATHS:
                answer = call(port, "GET", path)
                assert (answer.status, answer.json) == (200, {"status": "SERVING", "storage": "NOT_SERVING"})
                assert answer.headers["cache-control"] == "no-store"
            many = {"events": [{**VIEW, "userAgent": "x" * 500}] * 50}
            eventually("the spool is full", lambda: call(port, "POST", "/analytics/events/batch", many).status == 503)
            eventually("health says so", lambda: health().status == 503)
            expect_error(health(), 503, "UNAVAILABLE", "SERVER_AWAY")
        finally:
            for pid in postgres:
                os.kill(pid, signal.SIGCONT)
        eventually("all is well", lambda: health().status == 200 and health().json["storage"] == "SERVING")
