"""The Python client against a real service: from threads and tasks, with contexts, full queues and outages."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sociallive_analytics import (
    Analytics,
    AnalyticsHelper,
    AsyncAnalytics,
    Dropped,
    EventStatus,
    InvalidEventError,
    NotStoredError,
    Options,
    Rejected,
    RejectedError,
)
from tests.acceptance.running import Service, free_port
from tests.clients.stored import stored_events
from tests.conftest import copy_data_dir

FLUSH_S = 30.0
POST = {"contentType": "post", "contentId": "post-123"}


@pytest.fixture
def analytics(served: Service) -> Iterator[Analytics]:
    """A client of the service."""
    with Analytics(served.address) as client:
        yield client


def test_an_event_is_stored_as_it_was_tracked(served: Service, analytics: Analytics) -> None:
    """By a typed method, and by names as in JSON."""
    before = datetime.now(UTC)
    first = analytics.track_view(content_type="post", content_id="p", view_duration=4.5, user_id="kept", platform="web")
    second = analytics.track("view", POST, user_id="kept", device={"os": "Android"})
    assert analytics.flush(FLUSH_S) == 0
    events = stored_events(served, "kept")
    assert [event.event_id for event in events] == [first, second]
    assert (events[0].view.content_id, events[0].view.view_duration, events[0].platform) == ("p", 4.5, "web")
    assert (events[1].view.content_id, events[1].device.os, events[1].platform) == ("post-123", "Android", "server")
    assert events[0].schema_version == "1.1.0"
    assert events[0].sequence < events[1].sequence
    assert before <= events[0].timestamp.ToDatetime(UTC) <= datetime.now(UTC)


def test_a_purchase_without_a_currency_has_the_default(served: Service) -> None:
    """USD, or what the client is told."""
    for currency in ("USD", "EUR"):
        with Analytics(served.address, Options(default_currency=currency)) as analytics:
            analytics.track_purchase(product_id="p", order_id="o", amount=29.99, user_id=f"buyer-{currency}")
            analytics.track_purchase(
                product_id="p", order_id="o", amount=1, currency="GBP", user_id=f"buyer-{currency}"
            )
        events = stored_events(served, f"buyer-{currency}")
        assert [event.purchase.currency for event in events] == [currency, "GBP"]


def test_a_context_adds_to_the_events_inside(served: Service, analytics: Analytics) -> None:
    """Contexts nest, and what the call says takes precedence."""
    with analytics.context(user_id="inner", session_id="s1"):
        analytics.track("view", POST)
        with analytics.context(session_id="s2"):
            analytics.track("view", POST)
            analytics.track("view", POST, session_id="s3")
        analytics.track("view", POST)
    assert analytics.flush(FLUSH_S) == 0
    assert [event.session_id for event in stored_events(served, "inner")] == ["s1", "s2", "s3", "s1"]


def test_wait_answers_the_durable_status(analytics: Analytics) -> None:
    """The same event again is a duplicate."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    first = analytics.track("view", POST, wait=True, timestamp=at)
    assert first.status is EventStatus.STORED
    with pytest.raises(RejectedError) as refused:
        analytics.track("view", {**POST, "scrollDepth": 7}, wait=True)
    assert refused.value.reason == "INVALID_EVENT"
    again = analytics.track("view", POST, wait=True, event_id=first.event_id, timestamp=at)
    assert again.status in {EventStatus.DUPLICATE, EventStatus.STORED}


def test_wait_ends_when_nobody_answers() -> None:
    """With the id, so that the event can be sent again safely."""
    with Analytics(f"127.0.0.1:{free_port()}") as analytics, pytest.raises(NotStoredError) as missed:
        analytics.track("view", POST, wait=True, timeout_s=0.5)
    assert len(missed.value.event_id) == 36


@pytest.mark.parametrize(
    ("event_type", "data", "text"),
    [
        ("vieww", {}, "there is no event type 'vieww'"),
        ("view", {"contentTipe": "post"}, "there is no field 'contentTipe'"),
        ("view", {"contentType": 5}, "view event"),
    ],
)
def test_an_event_that_cannot_be_written_raises(
    analytics: Analytics, event_type: str, data: dict[str, object], text: str
) -> None:
    """Before it is accepted."""
    with pytest.raises(InvalidEventError, match=text):
        analytics.track(event_type, data)
    assert analytics.statistics().accepted == 0


def test_a_time_without_a_zone_raises(analytics: Analytics) -> None:
    """It could be any of 24 times."""
    with pytest.raises(InvalidEventError, match="time zone"):
        analytics.track("view", POST, timestamp=datetime.now())  # noqa: DTZ005 - the case itself


def test_a_rejected_event_is_reported_and_the_others_are_stored(served: Service) -> None:
    """With its reason and its problems."""
    reports: list[Rejected] = []
    with Analytics(served.address, Options(on_rejected=reports.append)) as analytics:
        bad = analytics.track("view", {**POST, "scrollDepth": 7}, user_id="partly")
        good = analytics.track("view", POST, user_id="partly")
    assert [event.event_id for event in stored_events(served, "partly")] == [good]
    assert [(report.event_id, report.reason) for report in reports] == [(bad, "INVALID_EVENT")]
    assert reports[0].problems[0].startswith("view.scroll_depth: ")
    assert analytics.statistics() == type(analytics.statistics())(2, 1, 1, 0, 0)


def test_threads_share_a_client(served: Service, analytics: Analytics) -> None:
    """Each event is stored once."""
    ids: list[str | None] = []

    def track() -> None:
        for _ in range(400):
            ids.append(analytics.track("view", POST, user_id="threads"))  # noqa: PERF401 - shared by threads

    threads = [threading.Thread(target=track) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert analytics.flush(FLUSH_S) == 0
    stored = [event.event_id for event in stored_events(served, "threads")]
    assert len(stored) == 3200
    assert set(stored) == set(ids)


@pytest.mark.slow
def test_a_full_queue_drops_and_counts_while_the_service_is_away(made_database: Path, tmp_path: Path) -> None:
    """Memory is bounded; what was accepted is stored when the service is back."""
    port, dropped = free_port(), list[Dropped]()
    options = Options(queue_events=500, on_dropped=dropped.append)
    with Analytics(f"127.0.0.1:{port}", options) as analytics:
        ids = [analytics.track("view", POST, user_id="outage") for _ in range(5000)]
        accepted = [event_id for event_id in ids if event_id is not None]
        assert len(accepted) == 500
        assert {report.reason for report in dropped} == {"QUEUE_FULL"}
        assert (analytics.statistics().dropped, len(dropped)) == (4500, 4500)
        with Service(copy_data_dir(made_database, tmp_path / "data"), port=port) as service:
            assert analytics.flush(FLUSH_S) == 0
            assert [event.event_id for event in stored_events(service, "outage")] == accepted


def test_a_full_queue_that_blocks_waits_for_room(served: Service) -> None:
    """Nothing is dropped, although the queue is much shorter than what is tracked."""
    options = Options(queue_events=50, when_full="block")
    with Analytics(served.address, options) as analytics:
        for _ in range(1000):
            assert analytics.track("view", POST, user_id="blocked") is not None
        assert analytics.flush(FLUSH_S) == 0
    assert len(stored_events(served, "blocked")) == 1000


def test_closing_ends_a_call_that_waits_for_room() -> None:
    """It drops the event."""
    analytics = Analytics(f"127.0.0.1:{free_port()}", Options(queue_events=1, when_full="block"))
    assert analytics.track("view", POST) is not None
    results: list[str | None] = []
    thread = threading.Thread(target=lambda: results.append(analytics.track("view", POST)))
    thread.start()
    assert analytics.close(timeout_s=0.2) == 1
    thread.join()
    assert results == [None]


def test_the_helper_takes_the_calls_that_services_are_shown(served: Service) -> None:
    """As the request has them, to the letter."""
    text = """
AnalyticsHelper.trackView(userId, 'post', postId);
AnalyticsHelper.trackEngagement(userId, 'like', 'post', postId);
AnalyticsHelper.trackPurchase(userId, purchaseData);
"""
    names = {
        "AnalyticsHelper": AnalyticsHelper,
        "userId": "helped",
        "postId": "post-123",
        "purchaseData": {
            "productId": "product-456",
            "orderId": "order-789",
            "amount": 29.99,
            "paymentMethod": "wallet",
        },
    }
    with AnalyticsHelper.configure(served.address) as analytics:
        exec(text, names)  # noqa: S102 - the snippet of the request
        assert analytics.flush(FLUSH_S) == 0
    view, engagement, purchase = stored_events(served, "helped")
    assert view.view.content_id == "post-123"
    assert (engagement.engagement.action, engagement.engagement.target_id) == ("like", "post-123")
    assert (purchase.purchase.amount, purchase.purchase.currency) == (29.99, "USD")


async def test_tasks_share_an_asynchronous_client(served: Service) -> None:
    """Each has a context of its own, and each event is stored once."""
    async with AsyncAnalytics(served.address) as analytics:

        async def visit(number: int) -> str | None:
            with analytics.context(session_id=f"s{number}"):
                await asyncio.sleep(0)
                return await analytics.track_view(content_type="post", content_id=str(number), user_id="tasks")

        ids = await asyncio.gather(*(visit(number) for number in range(1500)))
        assert await analytics.flush(FLUSH_S) == 0
    events = await asyncio.to_thread(stored_events, served, "tasks")
    assert {event.event_id for event in events} == set(ids)
    assert len(events) == 1500
    assert all(event.session_id == f"s{event.view.content_id}" for event in events)


async def test_an_asynchronous_client_waits_and_blocks(served: Service) -> None:
    """For a durable status, and for room in its queue."""
    options = Options(queue_events=50, when_full="block")
    async with AsyncAnalytics(served.address, options) as analytics:
        assert (await analytics.track("view", POST, wait=True)).status is EventStatus.STORED
        for _ in range(500):
            assert await analytics.track("view", POST, user_id="awaited") is not None
        assert await analytics.flush(FLUSH_S) == 0
    assert len(await asyncio.to_thread(stored_events, served, "awaited")) == 500


async def test_an_asynchronous_client_names_what_it_loses(caplog: pytest.LogCaptureFixture) -> None:
    """In one line."""
    analytics = AsyncAnalytics(f"127.0.0.1:{free_port()}")
    await analytics.track("view", POST)
    assert await analytics.close(timeout_s=0.2) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "1 analytics events were not delivered before the client was closed: 1 view"
    ]
