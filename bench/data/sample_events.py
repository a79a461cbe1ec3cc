"""The events that benchmarks send: nine views to a purchase, ten thousand users, version 7 ids."""

import random
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from events.ids import uuid7
from events.normalize import Normalizer, Rejected, Row
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

USERS = 10_000
SESSIONS = 30_000
POSTS = 1_000
EVENTS_PER_PURCHASE = 10
EVENTS_PER_MESSAGE = 500

ID_PLACE = "00000000-0000-7000-8000-000000000000"
"""Stands in an event of a pool for the id that each of its copies gets."""
TIME_PLACE = 1_700_000_000
"""Stands for the time, in seconds; times of this century all take five bytes."""


def make_event(number: int) -> Event:
    """Make the event of this number, of now and with an id of its own."""
    event = Event(
        event_id=uuid7(),
        user_id=f"user-{number % USERS}",
        session_id=f"session-{number % SESSIONS}",
        platform="mobile",
    )
    event.timestamp.FromMilliseconds(int(time.time() * 1000))
    if number % EVENTS_PER_PURCHASE:
        event.view.CopyFrom(
            ViewEvent(content_type="post", content_id=f"post-{number % POSTS}", view_duration=4.5, referrer="feed")
        )
    else:
        event.purchase.CopyFrom(
            PurchaseEvent(product_id="p-1", order_id=f"o-{number}", amount=29.99, currency="USD", quantity=1)
        )
    return event


def make_track_messages(calls: int) -> list[bytes]:
    """Serialize requests of Track, each with an event of its own."""
    return [TrackRequest(event=make_event(number)).SerializeToString() for number in range(calls)]


class MessagePool:
    """Makes messages of TrackBatch from events that were serialized once: each copy gets a new id and the time.

    That takes a client a fraction of a microsecond an event, and no memory.

    Example:
        >>> pool = MessagePool([make_event(number) for number in range(1000)])
        >>> [len(TrackBatchRequest.FromString(message).events) for message in pool.messages(3)]
        [500, 500, 500]
    """

    def __init__(self, events: Sequence[Event]) -> None:
        """Make a pool.

        Args:
            events: a multiple of EVENTS_PER_MESSAGE. Ids that are UUIDs are replaced in every copy, others kept; so are
                times, but those before TIME_PLACE.
        """
        places = b"|".join(re.escape(place) for place in (ID_PLACE.encode(), _seconds(TIME_PLACE)))
        self._templates = [
            re.split(b"(" + places + b")", _make_template(events[start : start + EVENTS_PER_MESSAGE]))
            for start in range(0, len(events), EVENTS_PER_MESSAGE)
        ]

    def messages(self, count: int) -> Iterator[bytes]:
        """Make messages, one after the other, all of whose ids are new and in the order of time."""
        serial = random.getrandbits(47)  # ids of other iterators and processes differ in this
        for number in range(count):
            parts = self._templates[number % len(self._templates)].copy()
            now_ms = f"{time.time_ns() // 1_000_000:012x}"
            prefix = f"{now_ms[:8]}-{now_ms[8:]}-7000-8000-".encode()
            seconds = _seconds(int(time.time()))
            for place in range(1, len(parts), 2):
                if len(parts[place]) == len(ID_PLACE):
                    serial += 1
                    parts[place] = b"%s%012x" % (prefix, serial)
                else:
                    parts[place] = seconds
            yield b"".join(parts)


def make_pool() -> MessagePool:
    """Make a pool of one event of each user."""
    return MessagePool([make_event(number) for number in range(USERS)])


def make_rows(messages: Iterator[bytes]) -> list[Row]:
    """Normalize TrackBatch messages into rows, as the service does."""
    normalizer = Normalizer(ip_hash_key=b"bench", retention_raw_days=0)
    now = datetime.now(UTC)
    rows = []
    for message in messages:
        for event in TrackBatchRequest.FromString(message).events:
            row = normalizer.prepare(event, now, backfill=False)
            if isinstance(row, Rejected):
                raise TypeError(row)
            rows.append(row)
    return rows


def _make_template(events: Sequence[Event]) -> bytes:
    copies = [Event.FromString(event.SerializeToString()) for event in events]
    for copy in copies:
        if len(copy.event_id) == len(ID_PLACE):
            copy.event_id = ID_PLACE
        if copy.HasField("timestamp"):
            copy.timestamp.seconds = min(TIME_PLACE, copy.timestamp.seconds)
    return TrackBatchRequest(events=copies).SerializeToString()


def _seconds(seconds: int) -> bytes:
    return Timestamp(seconds=seconds).SerializeToString()
