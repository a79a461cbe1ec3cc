"""Bad input gets a clear error that names what is wrong, and harms nothing else."""

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

from cli.client import CallError
from cli.import_.sender import is_retried
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.track_pb2 import (
    EventStatus,
    TrackBatchRequest,
    TrackEventsRequest,
    TrackRequest,
)
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, eventually, fails_with
from tests.acceptance.samples import reason, track, view, violations


def struct(**values: Any) -> Struct:
    """Make a Struct."""
    made = Struct()
    made.update(values)
    return made


def purchase(**fields: Any) -> PurchaseEvent:
    """Make a valid purchase, but for what the test changes."""
    return PurchaseEvent(**{"product_id": "p", "order_id": "o", "amount": 29.99, "currency": "USD", **fields})


BAD_EVENTS: dict[str, tuple[Event, dict[str, str]]] = {
    "no payload": (view(view=None), {"data": "NO_PAYLOAD"}),
    "payload and data": (view(event_type="view", data=struct(contentType="post")), {"data": "PAYLOAD_AND_DATA"}),
    "unknown event type": (view(view=None, event_type="vieew", data=struct(a=1)), {"event_type": "UNKNOWN_EVENT_TYPE"}),
    "unknown version": (view(schema_version="9.9.9"), {"schema_version": "UNKNOWN_VERSION"}),
    "1.1.0 field under 1.0.0": (view(schema_version="1.0.0"), {"view.view_duration": "SINCE"}),
    "missing required fields": (
        view(view=None, purchase=PurchaseEvent(quantity=1)),
        {
            "purchase.product_id": "REQUIRED",
            "purchase.order_id": "REQUIRED",
            "purchase.amount": "REQUIRED",
            "purchase.currency": "REQUIRED",
        },
    ),
    "negative amount": (view(view=None, purchase=purchase(amount=-1)), {"purchase.amount": "MINIMUM"}),
    "bad currency": (view(view=None, purchase=purchase(currency="QQQ")), {"purchase.currency": "CURRENCY"}),
    "bad UUID": (view(event_id="uuid"), {"event_id": "UUID"}),
    "NUL character": (view(user_id="a\0b"), {"user_id": "NUL"}),
    "NaN": (view(view=None, purchase=purchase(amount=float("nan"))), {"purchase.amount": "FINITE"}),
    "unknown key in data": (
        view(view=None, event_type="view", data=struct(contentType="post", contentId="1", viewDuraton=1)),
        {"data.viewDuraton": "UNKNOWN_FIELD"},
    ),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
def test_names_every_violation_of_a_single_event(service: Service, case: str) -> None:
    """Track answers INVALID_ARGUMENT with each field and the rule it breaks."""
    event, expected = BAD_EVENTS[case]
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.Track(TrackRequest(event=event), timeout=5)
    assert violations(caught[0]) == expected
    assert reason(caught[0]) == "INVALID_EVENT"


def test_rejects_bad_events_of_a_batch_one_by_one_and_stores_the_others(service: Service) -> None:
    """A stream of good and bad events stores the good ones and tells each bad one's place and reason."""
    good = [view() for _ in range(3)]
    bad = [event for event, _ in BAD_EVENTS.values()]
    mixed = [good[0], *bad[:6], good[1], *bad[6:], good[2]]
    answer = service.stub.TrackBatch(iter([TrackBatchRequest(events=mixed)]), timeout=10)
    assert (answer.received, answer.stored, answer.duplicates) == (len(mixed), 3, 0)
    assert answer.rejected == len(bad)
    assert [rejection.index for rejection in answer.rejections] == [
        index for index, event in enumerate(mixed) if event not in good
    ]
    assert all(rejection.violations for rejection in answer.rejections)


@pytest.mark.finding(17)
def test_refuses_a_message_of_5_mb(service: Service) -> None:
    """A message over the limit is refused by size and never to be sent again, and the connection goes on."""
    large = track(user_agent="x" * 5_000_000)
    streamed = iter([TrackBatchRequest(events=[view()]), TrackBatchRequest(events=[large.event])])
    for method, request in ((service.stub.Track, large), (service.stub.TrackBatch, streamed)):
        with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
            method(request, timeout=10)
        assert reason(caught[0]) == "MESSAGE_TOO_LARGE"
        assert "at most 4,194,304 are allowed: split it" in caught[0].details()
        assert not is_retried(CallError(caught[0], service.address))
    assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED


@pytest.mark.finding(17)
def test_a_message_that_grpc_itself_refuses_is_not_sent_again_either(service: Service) -> None:
    """Past four times the limit nobody reads it: the status has no reason, which clients take for final."""
    with fails_with(grpc.StatusCode.RESOURCE_EXHAUSTED) as caught:
        service.stub.Track(track(user_agent="x" * 20_000_000), timeout=20)
    assert reason(caught[0]) == ""
    assert not is_retried(CallError(caught[0], service.address))
    assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED


def test_refuses_10000_events_in_one_message(service: Service) -> None:
    """Too many events in one message are refused with the limit, on the stream and on the unary method."""
    events = [Event(view=ViewEvent(content_type="p", content_id="1"))] * 10_000
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.TrackBatch(iter([TrackBatchRequest(events=events)]), timeout=10)
    assert reason(caught[0]) == "TOO_MANY_EVENTS"
    assert "5,000" in caught[0].details()
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.TrackEvents(TrackEventsRequest(events=events), timeout=10)
    assert reason(caught[0]) == "TOO_MANY_EVENTS"


@pytest.mark.parametrize("method", ["Track", "TrackEvents", "GetDashboard"])
def test_refuses_garbage_bytes(service: Service, method: str) -> None:
    """Bytes that are no message get INVALID_ARGUMENT with the message that was expected."""
    call: Any = service.channel.unary_unary(f"/sociallive.analytics.v1.AnalyticsService/{method}")
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        call(b"\xff\xfe garbage", timeout=5)
    assert reason(caught[0]) == "MALFORMED_MESSAGE"
    assert "sociallive.analytics.v1." in caught[0].details()


def test_refuses_garbage_bytes_in_a_stream(service: Service) -> None:
    """The same on a stream."""
    call: Any = service.channel.stream_unary("/sociallive.analytics.v1.AnalyticsService/TrackBatch")
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        call(iter([b"\xff\xfe garbage"]), timeout=5)
    assert reason(caught[0]) == "MALFORMED_MESSAGE"


def test_survives_a_client_that_hangs_up_in_mid_stream(service: Service) -> None:
    """What a vanished client sent may be sent again: each event ends up stored once."""
    events = [view() for _ in range(20)]
    gate = threading.Event()

    def half() -> Iterator[TrackBatchRequest]:
        yield TrackBatchRequest(events=events[:10])
        gate.wait(5)

    call = service.stub.TrackBatch.future(half(), timeout=10)
    time.sleep(0.3)
    call.cancel()
    gate.set()
    answer = service.stub.TrackBatch(iter([TrackBatchRequest(events=events)]), timeout=10)
    assert answer.stored + answer.duplicates == 20
    assert answer.stored >= 10
    assert service.health() == "SERVING"


def test_ends_a_call_whose_deadline_is_one_millisecond(service: Service) -> None:
    """A deadline that cannot be met ends the call, and the service goes on."""
    for method, request in ((service.stub.Track, track()), (service.stub.ListEvents, ListEventsRequest())):
        try:
            method(request, timeout=0.001)
        except grpc.RpcError as exc:
            assert exc.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: PT017 - a fast machine may make it
    assert service.stub.Track(track(), timeout=5).status == EventStatus.EVENT_STATUS_STORED


def test_says_too_old_and_how_to_import(service: Service) -> None:
    """An event older than raw retention is refused with a word about the import; a backfill takes it."""
    old = view(event_id=str(uuid.uuid4()))
    old.timestamp.FromJsonString("2024-01-01T12:00:00Z")
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        service.stub.Track(TrackRequest(event=old), timeout=5)
    assert reason(caught[0]) == "EVENT_TOO_OLD"
    assert "analytics import" in caught[0].details()
    answer = service.stub.TrackEvents(TrackEventsRequest(events=[old], backfill=True), timeout=5)
    assert answer.stored == 1


def test_is_serving_and_quiet_after_all_this(service: Service) -> None:
    """None of the above is an internal error, and no payload reached the log."""
    eventually("serving", lambda: service.health() == "SERVING")
    assert "rpc_failed" not in service.output()
    assert "post-123" not in service.output()
