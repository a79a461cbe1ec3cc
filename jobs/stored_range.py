"""The range that a job works on where none is given."""

from datetime import datetime

from jobs.request import JobRequest
from storage.segments.store import SegmentStore
from storage.summaries.periods import Timeframe


async def stored_range(request: JobRequest, store: SegmentStore) -> tuple[datetime, datetime]:
    """Tell the request's range; where it has no start or end, that of the days of all segments.

    Raises:
        StorageUnavailableError: the database is unavailable.
    """
    segments = await store.catalogue.list_segments()
    day = Timeframe.DAY
    first = min((day.start_of(segment.first_at) for segment in segments), default=request.now)
    last = max((day.end_of(day.start_of(segment.last_at)) for segment in segments), default=request.now)
    start, end = request.start or first, request.end or last
    return start, max(start, end)
