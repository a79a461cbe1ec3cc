"""Lists and shows rejected events."""

from datetime import datetime

from server.admin.errors import NoSuchRejectionError
from server.admin.question import read_filter, read_place, read_rejection_id, read_size, write_place
from server.admin.rejected_event import show_event, write_rejected_event
from server.reports.page_token import question_of
from sociallive.analytics.v1.admin_service_pb2 import (
    GetRejectedEventRequest,
    GetRejectedEventResponse,
    ListRejectedEventsRequest,
    ListRejectedEventsResponse,
    RejectionCount,
)
from storage.rejections import RejectionCursor, Rejections


async def list_rejected(
    rejections: Rejections, request: ListRejectedEventsRequest, now: datetime, *, timeout_s: float
) -> ListRejectedEventsResponse:
    """Answer ListRejectedEvents. Counting reads every row in range, so only the first page does it.

    Raises:
        QuestionError: the filter, the page size or the page token makes no sense.
        StorageUnavailableError: the database is away.
    """
    page_size = read_size("page_size", request.page_size)
    question = question_of(request, "page_size", "page_token")
    only, after = read_place(request.page_token, question, read_filter(request.filter, now))
    # One more than asked for tells whether another page follows.
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
        answer.next_page_token = write_place(RejectionCursor(last.received_at, last.rejection_id), question, only)
    return answer


async def get_rejected(
    rejections: Rejections, request: GetRejectedEventRequest, *, timeout_s: float
) -> GetRejectedEventResponse:
    """Answer GetRejectedEvent.

    Raises:
        QuestionError: the id is no UUID.
        NoSuchRejectionError: there is none of this id.
        StorageUnavailableError: the database is away.
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
