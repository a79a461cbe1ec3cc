"""Messages of TrackBatch with events as a real client sends them: see bench/data/realistic_rows.py."""

from bench.data.realistic_rows import RowMaker
from bench.data.sample_events import MessagePool
from events.normalize import COLUMNS
from events.stored_event import write_event
from sociallive.analytics.v1.event_pb2 import Event

POOL_EVENTS = 50_000


def make_realistic_pool(events: int = POOL_EVENTS) -> MessagePool:
    """Make a pool of realistic events; each copy has a new id and the time."""
    return MessagePool([_make_event(row) for row in RowMaker(events).make(events)])


def _make_event(row: tuple[object, ...]) -> Event:
    event = write_event(dict(zip(COLUMNS, row, strict=True)))
    event.ClearField("received_at")
    event.ClearField("timestamp_source")
    return event
