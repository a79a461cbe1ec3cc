"""The event list: stored events, newest first, page by page.

Example: two rows of one microsecond with the sequences 1 and 2 come out as 2, then 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from events.catalogue import load_catalogue
from events.stored_event import write_event
from events.upcast import Upcaster
from reports.events.page import EventCursor, EventFilter, EventRecord, PageQuestion
from reports.events.read_ahead import EventPages
from reports.patterns.predicates import EventPattern
from server.paging import PageToken, PageTokens, read_page_size
from server.reports.errors import QuestionError
from server.reports.scope import Scope, read_scope
from server.reports.steps import format_step, parse_step
from sociallive.analytics.v1.event_list_pb2 import EventView, ListEventsRequest, ListEventsResponse
from storage.segments.snapshot import EventSnapshot

CATALOGUE = load_catalogue()
UPCASTER = Upcaster(CATALOGUE)
DEFAULT_TIMEFRAME = "24h"

COLUMNS = tuple(field.name for field in fields(EventRecord))

DEFINITION = (
    "Stored events whose timestamp lies in [start_time, end_time) and that match every given filter{filter}, newest "
    "first; events of the same microsecond by sequence and id, highest first."
)


async def answer(
    snapshot: EventSnapshot,
    question: ListEventsRequest,
    now: datetime,
    *,
    tokens: PageTokens,
    pages: EventPages,
) -> ListEventsResponse:
    """Answer ListEvents.

    Args:
        snapshot: what to read from.
        question: the request.
        now: the current UTC time.
        tokens: reads and writes page tokens.
        pages: reads the pages of this process.

    Raises:
        QuestionError: the scope, a filter, the page size or the page token makes no sense.
    """
    page_size = read_page_size(question.page_size)
    read = _view(question.view)
    only = EventFilter(
        event_type=_known_type(question.event_type) or None,
        user_id=_text("user_id", question.user_id) or None,
        session_id=_text("session_id", question.session_id) or None,
        pattern=parse_step(question.filter, "filter", any_event=True),
    )
    scope = read_scope(question, now=now, default_timeframe=DEFAULT_TIMEFRAME)
    token = tokens.read(question, datetime, int, str)
    after = None
    if token is not None:
        scope = replace(scope, start=token.start, end=token.end)
        after = EventCursor(*token.cursor)
    # One more than requested shows whether another page follows.
    records = await pages.read(snapshot, PageQuestion(scope.start, scope.end, only, after, page_size + 1))
    page = records[:page_size]
    return ListEventsResponse(
        info=scope.describe(max((record.received_at for record in page), default=None), _define(only.pattern)),
        events=[write_event(read(record)) for record in page],
        next_page_token=tokens.write(_token_after(page[-1], scope), question) if len(records) > page_size else "",
    )


def _define(pattern: EventPattern) -> str:
    written = format_step(pattern)
    return DEFINITION.format(filter=f" ({written})" if written else "")


def _view(asked: int) -> Callable[[EventRecord], Mapping[str, Any]]:
    """Choose how a record is read: as it is, or in the newest version of its type."""
    if asked not in EventView.values():
        raise QuestionError("view", f"must be one of {', '.join(EventView.keys())}, not {asked}")
    if asked == EventView.EVENT_VIEW_UPCAST:
        return lambda record: UPCASTER.upcast(_columns(record))
    return _columns


def _columns(record: EventRecord) -> dict[str, Any]:
    """Name the values of a record; `asdict` copies each of them, which took longer than all else about a page."""
    return {name: getattr(record, name) for name in COLUMNS}


def _known_type(name: str) -> str:
    if name and name not in CATALOGUE.types:
        raise QuestionError("event_type", f"must be one of {', '.join(sorted(CATALOGUE.types))}, not {name[:40]!r}")
    return name


def _text(field: str, value: str) -> str:
    if "\0" in value:
        raise QuestionError(field, "must not contain a NUL character: no stored string does")
    return value


def _token_after(record: EventRecord, scope: Scope) -> PageToken:
    return PageToken(scope.start, scope.end, (record.timestamp, record.sequence, record.event_id))
