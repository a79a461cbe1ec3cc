"""What follows from the service's answers, without a service."""

import pytest

from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import Rejection, TrackEventsRequest, TrackEventsResponse
from sociallive_analytics import Options, Rejected
from sociallive_analytics.context import Envelope
from sociallive_analytics.delivery import LONGEST_WAIT_S, Delivery, wait_before_retry_s
from sociallive_analytics.encoding import EventEncoder, QueuedEvent, write_request
from sociallive_analytics.failures import Failure
from sociallive_analytics.ids import IdSource

REFUSED = Failure("INVALID_REQUEST", "no", is_retryable=False, retry_after_s=0.0, is_splittable=True)
AWAY = Failure("UNAVAILABLE", "away", is_retryable=True, retry_after_s=0.0, is_splittable=False)


def events(count: int) -> list[QueuedEvent]:
    """Make events with the ids "0", "1" and so on."""
    return [QueuedEvent(str(number), "view", b"12345") for number in range(count)]


def filled(count: int, options: Options | None = None) -> Delivery:
    """Make a delivery that waits with so many events."""
    delivery = Delivery(options or Options())
    for event in events(count):
        delivery.put(event)
    return delivery


def ids(batch: list[QueuedEvent]) -> list[str]:
    """List the ids of a batch."""
    return [event.event_id for event in batch]


def test_a_refused_batch_is_halved_until_the_cause_is_alone() -> None:
    """Only that one is rejected."""
    reports: list[Rejected] = []
    delivery = filled(10, Options(on_rejected=reports.append))
    requests = 0
    while delivery.pending:
        batch = delivery.take()
        requests += 1
        if "7" in ids(batch):
            assert delivery.failed(batch, REFUSED) == 0
        else:
            delivery.answered(batch, TrackEventsResponse())
    assert ids_of(reports) == ["7"]
    assert requests < 10
    assert delivery.statistics().acknowledged == 9


def ids_of(reports: list[Rejected]) -> list[str]:
    """List the ids of reports."""
    return [report.event_id for report in reports]


def test_a_failed_batch_is_sent_again_before_later_events() -> None:
    """Unchanged."""
    delivery = filled(3)
    batch = delivery.take()
    delivery.put(QueuedEvent("later", "view", b""))
    delivery.failed(batch, AWAY)
    assert ids(delivery.take()) == ["0", "1", "2"]
    assert ids(delivery.take()) == ["later"]


def test_rejections_are_matched_by_index() -> None:
    """The service names the place of each in the request."""
    reports: list[Rejected] = []
    delivery = filled(5, Options(on_rejected=reports.append))
    delivery.answered(delivery.take(), TrackEventsResponse(rejections=[Rejection(index=3, reason="INVALID_EVENT")]))
    assert ids_of(reports) == ["3"]
    assert delivery.pending == 0


def test_a_callback_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""

    def fail(_: Rejected) -> None:
        raise RuntimeError

    delivery = filled(1, Options(on_rejected=fail))
    delivery.failed(delivery.take(), REFUSED)
    assert delivery.pending == 0
    assert "a callback of the analytics client failed" in caplog.text


@pytest.mark.parametrize("attempt", [1, 2, 5, 10, 1000])
def test_a_wait_is_never_shorter_than_the_service_asks(attempt: int) -> None:
    """It grows to a bound."""
    waits = [wait_before_retry_s(attempt, 3.0) for _ in range(200)]
    assert min(waits) >= 3.0
    assert max(waits) <= 3.0 + LONGEST_WAIT_S


def test_the_queue_is_bounded_in_events_and_bytes() -> None:
    """A batch under way counts until it is answered."""
    event = events(1)[0]
    assert not filled(5, Options(queue_events=5)).has_room(event)
    delivery = filled(5, Options(queue_bytes=29))
    batch = delivery.take()
    assert not delivery.has_room(event)
    delivery.answered(batch, TrackEventsResponse())
    assert delivery.has_room(event)


def test_a_batch_is_due_when_it_is_full_or_flushed() -> None:
    """Else after the interval."""
    options = Options(batch_events=3, batch_interval_s=100.0)
    waiting = filled(2, options).due_in(is_flushing=False)
    assert waiting is not None
    assert 0 < waiting <= 100
    assert filled(3, options).due_in(is_flushing=False) == 0
    assert filled(1, options).due_in(is_flushing=True) == 0
    assert filled(0, options).due_in(is_flushing=True) is None


def test_a_request_has_what_was_frozen_and_the_time_of_the_attempt() -> None:
    """Each attempt differs in `sent_at` alone."""
    encoder = EventEncoder("USD", "server")
    frozen = [encoder.encode("view", {"contentType": "post", "contentId": str(n)}, Envelope()) for n in range(3)]
    first, second = (TrackEventsRequest.FromString(write_request(frozen)).events for _ in range(2))
    assert [event.event_id for event in first] == ids(frozen)
    for one, other in zip(first, second, strict=True):
        assert one.sent_at.ToNanoseconds() < other.sent_at.ToNanoseconds()
        for event in (one, other):
            event.ClearField("sent_at")
        assert one == other
        assert Event.FromString(frozen[0].body).sequence == 1


def test_ids_are_version_7_and_ascend() -> None:
    """Also those of one clock tick."""
    make_id = IdSource()
    made = [make_id() for _ in range(2000)]
    assert sorted(made) == made
    assert len(set(made)) == 2000
    assert {(one[14], one[19] in "89ab", len(one)) for one in made} == {("7", True, 36)}
