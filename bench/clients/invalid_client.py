"""A client that sends nothing but events that break rules, as fast as it can; `bench.hostile` runs it as a process."""

import argparse
import json
import threading
from collections.abc import Callable, Iterable

from google.protobuf.json_format import ParseDict

from bench.clients.batch_client import stream_parts
from bench.data.sample_events import EVENTS_PER_MESSAGE, MessagePool, make_event
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

MESSAGES_PER_STREAM = 20
MESSAGES_IN_POOL = 10
LONG_TEXT = "x" * 4_000
"""Text that no field takes: what a quarantine must not keep without a bound."""


def _no_payload(event: Event) -> None:
    event.ClearField("payload")


def _missing_field(event: Event) -> None:
    event.view.CopyFrom(ViewEvent(content_type="post"))


def _out_of_bounds(event: Event) -> None:
    event.view.CopyFrom(ViewEvent(content_type="post", content_id="post-1", view_duration=-1, scroll_depth=7))


def _text_too_long(event: Event) -> None:
    event.view.CopyFrom(ViewEvent(content_type="post", content_id=LONG_TEXT))


def _bad_purchase(event: Event) -> None:
    event.purchase.CopyFrom(PurchaseEvent(product_id="p-1", order_id="o-1", amount=-1, currency="XXL", quantity=-3))


def _no_uuid(event: Event) -> None:
    event.event_id = "event-1"


def _no_id_at_all(event: Event) -> None:
    event.event_id = ""
    event.user_id = LONG_TEXT


def _unknown_version(event: Event) -> None:
    event.schema_version = "9.9.9"


def _unknown_type(event: Event) -> None:
    event.ClearField("payload")
    event.event_type = "teleport"
    ParseDict({"to": "Mars", "passengers": ["a", "b"]}, event.data)


def _wrong_shape(event: Event) -> None:
    event.ClearField("payload")
    event.event_type = "view"
    ParseDict({"contentType": 7, "contentId": {"a": [1, 2, {"b": None}]}, "nonsense": True}, event.data)


def _too_old(event: Event) -> None:
    event.timestamp.FromSeconds(1_300_000_000)


def _bad_address(event: Event) -> None:
    event.ip_address = "300.300.300.300"


VIOLATIONS: tuple[Callable[[Event], None], ...] = (
    _no_payload,
    _missing_field,
    _out_of_bounds,
    _text_too_long,
    _bad_purchase,
    _no_uuid,
    _no_id_at_all,
    _unknown_version,
    _unknown_type,
    _wrong_shape,
    _too_old,
    _bad_address,
)


def make_invalid_pool() -> MessagePool:
    """Make a pool of events that break rules, each kind of violation in turn."""
    events = [make_event(number) for number in range(MESSAGES_IN_POOL * EVENTS_PER_MESSAGE)]
    for number, event in enumerate(events):
        VIOLATIONS[number % len(VIOLATIONS)](event)
    return MessagePool(events)


def main() -> None:
    """Send the events, and print how many were sent and how many rejected."""
    arguments = argparse.ArgumentParser(description=__doc__, prog="python -m bench.clients.invalid_client")
    arguments.add_argument("address")
    arguments.add_argument("--events", type=int, required=True)
    options = arguments.parse_args()
    pool = make_invalid_pool()
    left = options.events // EVENTS_PER_MESSAGE
    taking = threading.Lock()

    def next_part() -> Iterable[bytes] | None:
        nonlocal left
        with taking:
            messages = min(MESSAGES_PER_STREAM, left)
            left -= messages
        return pool.messages(messages) if messages else None

    print("ready", flush=True)
    input()  # until the other client is under way too
    answers, seconds = stream_parts(options.address, next_part)
    print(
        json.dumps(
            {
                "sent": options.events // EVENTS_PER_MESSAGE * EVENTS_PER_MESSAGE,
                "received": sum(answer.received for answer in answers),
                "rejected": sum(answer.rejected for answer in answers),
                "seconds": seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
