"""The rows of an event list."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.postgres.reader import Snapshot
from storage.reports.predicates import EventPattern, Parameters, Query, pattern_sql
from storage.sql import template

MICROSECOND = timedelta(microseconds=1)
FIRST_SLICE = timedelta(minutes=1)
SLICE_GROWTH = 8
"""A page is read from slices of its range, newest first, each longer than the one before: what is sorted then depends
on how many events a page holds, not on how many there are. Seven slices reach over months."""
ANY_EVENT = EventPattern()


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
    pattern: EventPattern = ANY_EVENT


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
    if after is not None:
        end = min(end, after.timestamp + MICROSECOND)
    records: list[EventRecord] = []
    width = FIRST_SLICE
    while start < end and len(records) < limit:
        first = end - width if end - start > width else start
        query = slice_query(first, end, only, after, limit - len(records))
        records += [EventRecord(str(row["event_id"]), *row[1:]) for row in await snapshot.fetch_query(query)]
        end = first
        width *= SLICE_GROWTH
    return records


def slice_query(start: datetime, end: datetime, only: EventFilter, after: EventCursor | None, limit: int) -> Query:
    """Write the statement that lists the newest events of a slice behind the cursor."""
    place = (None, None, None) if after is None else (after.timestamp, after.sequence, after.event_id)
    parameters = Parameters(start, end, only.event_type, only.user_id, only.session_id, *place, limit)
    matching = pattern_sql(only.pattern, parameters)
    return Query(template("event_list").format(matching=matching), tuple(parameters.list))
