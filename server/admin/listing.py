"""Lists and shows rejected events."""

from datetime import datetime

from server.admin.errors import NoSuchRejectionError
from server.admin.question import read_filter, read_place, read_rejection_id, write_place
from server.admin.rejected_event import show_event, write_rejected_event
from server.paging import PageTokens, read_page_size
from sociallive.analytics.v1.admin_service_pb2 import (
    GetRejectedEventRequest,
    GetRejectedEventResponse,
    ListRejectedEventsRequest,
    ListRejectedEventsResponse,
    RejectionCount,
)
from storage.rejections import RejectionCursor, Rejections


async def list_rejected(
    rejections: Rejections, request: ListRejectedEventsRequest, now: datetime, *, tokens: PageTokens, timeout_s: float
) -> ListRejectedEventsResponse:
    """Answer ListRejectedEvents. Counting reads every row in range, so only the first page does it.

    Raises:
        QuestionError: the filter, the page size or the page token is invalid.
        StorageUnavailableError: the database is unavailable.
    """
    page_size = read_page_size(request.page_size)
    only, after = read_place(tokens, request, read_filter(request.filter, now))
    # One more than requested shows whether another page follows.
    records = await rejections.newest(only, after=after, limit=page_size + 1, timeout_s=timeout_s)
    answer = ListRejectedEventsResponse(
        rejected_events=[write_rejected_event(record) for record in records[:page_size]]
    )
    if after is None:
        counts = await rejections.count_reasons(only, timeout_s=timeout_s)
        answer.counts.extend(
            RejectionCount(reason=count.reason, events=count.events, replayable=count.replayable) for count in counts
        )
    if len(records) > page_size:
        last = records[page_size - 1]
        answer.next_page_token = write_place(
            tokens, request, only, RejectionCursor(last.received_at, last.rejection_id)
        )
    return answer


async def get_rejected(
    rejections: Rejections, request: GetRejectedEventRequest, *, timeout_s: float
) -> GetRejectedEventResponse:
    """Answer GetRejectedEvent.

    Raises:
        QuestionError: the id is not a UUID.
        NoSuchRejectionError: there is none with this id.
        StorageUnavailableError: the database is unavailable.
    """
    rejection_id = read_rejection_id("rejection_id", request.rejection_id)
    record = (await rejections.by_ids([rejection_id], timeout_s=timeout_s)).get(rejection_id)
    if record is None:
        raise NoSuchRejectionError
    return GetRejectedEventResponse(
        rejected_event=write_rejected_event(record),
        event=show_event(record),
        payload=record.payload or b"",
        payload_type=(record.payload_type or "") if record.payload else "",
    )
