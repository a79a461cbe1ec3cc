"""The clients and a service that needs keys: a good key is sent, and events wait for one."""

import asyncio
import logging

import pytest

from sociallive_analytics import Analytics, AsyncAnalytics, EventStatus, NotStoredError, Options
from tests.access.guarded import GuardedService

POST = {"contentType": "post", "contentId": "post-123"}
FLUSH_S = 30.0


def test_the_python_client_sends_its_key(guarded: GuardedService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is an option, or the variable of the environment, and stands in no text of the options."""
    key = guarded.make_key("ingest").text
    assert key not in repr(Options(key=key))
    with Analytics(guarded.address, Options(key=key)) as analytics:
        assert analytics.track("view", POST, wait=True).status == EventStatus.STORED
        analytics.track("view", POST)
        assert analytics.flush(FLUSH_S) == 0
        assert analytics.statistics().acknowledged == 1
    monkeypatch.setenv("ANALYTICS_KEY", key)

    async def track() -> EventStatus:
        async with AsyncAnalytics(guarded.address) as client:
            return (await client.track("view", POST, wait=True)).status

    assert asyncio.run(track()) == EventStatus.STORED


def test_events_wait_while_the_key_is_not_accepted(guarded: GuardedService, caplog: pytest.LogCaptureFixture) -> None:
    """They are neither rejected nor forgotten, and the log says why, once and without the key."""
    key = guarded.make_key("read.reports").text
    with caplog.at_level(logging.WARNING), Analytics(guarded.address, Options(key=key, batch_events=1)) as analytics:
        with pytest.raises(NotStoredError, match="scope"):
            analytics.track("view", POST, wait=True, timeout_s=2)
        analytics.track("view", POST)
        assert analytics.flush(3) == 1
        assert analytics.statistics().rejected == 0
        refusals = [line for line in caplog.messages if "does not accept the key" in line]
        assert len(refusals) == 1
        assert key not in refusals[0]
        analytics.close(0)
