"""Reads the common parts of AdminService's requests: filters, ids and page tokens."""

import uuid
from dataclasses import replace
from datetime import datetime

from server.paging import PageToken, PageTokens
from server.reports.errors import QuestionError
from server.reports.scope import EARLIEST, read_scope, to_timestamp
from sociallive.analytics.v1.admin_service_pb2 import (
    ListRejectedEventsRequest,
    RejectedEventFilter,
    ReplayRejectedEventsRequest,
    ReplayState,
)
from storage.rejections import RejectionCursor, RejectionFilter

PagedAdminRequest = ListRejectedEventsRequest | ReplayRejectedEventsRequest

_REPLAYED: dict[int, bool | None] = {
    ReplayState.REPLAY_STATE_UNSPECIFIED: None,
    ReplayState.REPLAY_STATE_WAITING: False,
    ReplayState.REPLAY_STATE_REPLAYED: True,
}


def read_filter(given: RejectedEventFilter, now: datetime) -> RejectionFilter:
    """Read a filter; without a range it reaches from the beginning until now.

    Raises:
        QuestionError: the range is invalid, or a string cannot be stored.
    """
    asked = RejectedEventFilter()
    asked.CopyFrom(given)
    if not asked.timeframe and not asked.HasField("start_time"):
        asked.start_time.CopyFrom(to_timestamp(EARLIEST))
    scope = read_scope(asked, now=now, default_timeframe="")
    if asked.replay_state not in _REPLAYED:
        raise QuestionError("filter.replay_state", f"is {asked.replay_state}, which is not one of its values")
    for field in ("reason", "event_type", "event_id", "source"):
        if "\0" in getattr(asked, field):
            raise QuestionError(f"filter.{field}", "must not contain a NUL character: no stored string does")
    return RejectionFilter(
        start=scope.start,
        end=scope.end,
        reason=asked.reason or None,
        event_type=asked.event_type or None,
        event_id=asked.event_id or None,
        source=asked.source or None,
        replayed=_REPLAYED[asked.replay_state],
    )


def filter_names(given: RejectedEventFilter) -> list[str]:
    """Name the fields by which a filter selects; a time zone alone selects nothing."""
    return [field.name for field, _ in given.ListFields() if field.name != "time_zone"]


def read_rejection_id(field: str, text: str) -> str:
    """Read the id of a rejected event, in lower case.

    Raises:
        QuestionError: it is not a UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise QuestionError(field, f"must be a UUID, not {text[:40]!r}") from None


def read_place(
    tokens: PageTokens, request: PagedAdminRequest, only: RejectionFilter
) -> tuple[RejectionFilter, RejectionCursor | None]:
    """Read a page token: the range of the first page, and the cursor; None without a token.

    Raises:
        InvalidPageTokenError: the token is not one of ours, or belongs to another request.
    """
    token = tokens.read(request, datetime, str)
    if token is None:
        return only, None
    return replace(only, start=token.start, end=token.end), RejectionCursor(*token.cursor)


def write_place(tokens: PageTokens, request: PagedAdminRequest, only: RejectionFilter, last: RejectionCursor) -> str:
    """Write the token of the page that follows `last`."""
    return tokens.write(PageToken(only.start, only.end, (last.received_at, last.rejection_id)), request)
