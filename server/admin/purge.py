"""Purges rejected events, in steps that writers do not notice."""

import time
from contextlib import aclosing, suppress
from datetime import datetime

import structlog

from server.admin.question import filter_names, read_filter
from server.reports.errors import QuestionError
from sociallive.analytics.v1.admin_service_pb2 import PurgeRejectedEventsRequest, PurgeRejectedEventsResponse
from storage.errors import StorageUnavailableError
from storage.rejections import Measure, Rejections

log = structlog.get_logger(__name__)

STEP_ROWS = 1_000
"""A transaction deletes so many: some ten milliseconds, and nobody waits for its locks."""


async def purge_rejected(
    rejections: Rejections, request: PurgeRejectedEventsRequest, now: datetime, *, timeout_s: float
) -> PurgeRejectedEventsResponse:
    """Answer PurgeRejectedEvents; what is not deleted when `timeout_s` are over is left to the next call.

    Raises:
        QuestionError: the filter makes no sense, or names nothing although not all are meant.
        StorageUnavailableError: the database is away; what was deleted before stays deleted.
    """
    names = filter_names(request.filter)
    if request.all == bool(names):
        raise QuestionError("filter", "must name something; to purge every rejected event say all instead")
    only = read_filter(request.filter, now)
    purged, unfinished = Measure(), False
    if request.dry_run:
        purged = await rejections.measure(only, timeout_s=timeout_s)
    else:
        deadline_s = time.monotonic() + timeout_s
        async with aclosing(rejections.purge(only, step_rows=STEP_ROWS)) as steps:
            async for step in steps:
                purged += step
                if step.rows == STEP_ROWS and time.monotonic() > deadline_s:
                    unfinished = True
                    break
        if purged.rows and not unfinished:
            with suppress(StorageUnavailableError):  # what is purged is purged; autovacuum comes anyway
                await rejections.reclaim()
    log.info(
        "rejections_purged",
        rows=purged.rows,
        events=purged.events,
        bytes=purged.bytes,
        dry_run=request.dry_run,
        filters=names,
        unfinished=unfinished,
    )
    return PurgeRejectedEventsResponse(
        rows=purged.rows, events=purged.events, bytes=purged.bytes, unfinished=unfinished
    )
