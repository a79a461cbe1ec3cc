"""The rows of an event list."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.reader import Snapshot

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class EventCursor:
    """The last event of a page."""

    timestamp: datetime
    sequence: int
    event_id: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None matches any."""

    event_type: str | None = None
    user_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event; `device` and `event_data` are JSON text in camelCase, times are UTC."""

    event_id: str
    event_type: str
    schema_version: str
    timestamp: datetime
    received_at: datetime
    timestamp_source: str | None
    sequence: int
    user_id: str | None
    session_id: str | None
    platform: str | None
    user_agent: str | None
    device: str | None
    event_data: str


async def read_event_page(
    snapshot: Snapshot, *, start: datetime, end: datetime, only: EventFilter, after: EventCursor | None, limit: int
) -> list[EventRecord]:
    """Read events of [start, end) that match the filter, newest first, from behind the cursor on.

    Args:
        snapshot: what to read from.
        start: first moment, aware.
        end: first moment after the range, aware.
        only: which events.
        after: the last event of the page before; None for the first page.
        limit: how many at most.
    """
    if after is None:
        place: tuple[datetime | None, int | None, str | None] = (None, None, None)
    else:
        place = (after.timestamp, after.sequence, after.event_id)
        end = min(end, after.timestamp + MICROSECOND)  # newer partitions need not be opened
    rows = await snapshot.fetch("event_list", start, end, only.event_type, only.user_id, only.session_id, *place, limit)
    return [EventRecord(str(row["event_id"]), *row[1:]) for row in rows]
