"""Purges rejected events, in steps that writers do not notice."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from google.protobuf import json_format

from server.admin.audit import AdminCall
from server.admin.question import filter_names, read_filter
from server.reports.errors import QuestionError
from sociallive.analytics.v1.admin_service_pb2 import PurgeRejectedEventsRequest, PurgeRejectedEventsResponse
from storage.audit import AuditEntry
from storage.postgres.errors import StorageUnavailableError
from storage.rejections import Measure, PurgeEnd, Rejections

log = structlog.get_logger(__name__)

ACTION = "rejected purge"
STEP_ROWS = 1_000
"""Rows of one transaction: it takes some ten milliseconds, and nothing waits for its locks."""


async def purge_rejected(
    rejections: Rejections,
    request: PurgeRejectedEventsRequest,
    now: Callable[[], datetime],
    *,
    caller: str,
    timeout_s: float,
) -> PurgeRejectedEventsResponse:
    """Answer PurgeRejectedEvents; events that are left after `timeout_s` are deleted by the next call.

    Args:
        rejections: the rejected events.
        request: as it was sent.
        now: returns the current UTC time.
        caller: who, for the audit log. A dry run leaves no entry there.
        timeout_s: how long to go on.

    Raises:
        QuestionError: the filter is invalid, or is empty without `all`.
        StorageUnavailableError: the database is unavailable; what was deleted before stays deleted.
    """
    names = filter_names(request.filter)
    if request.all == bool(names):
        raise QuestionError("filter", "must select something; to purge every rejected event, set all instead")
    started_at = now()
    only = read_filter(request.filter, started_at)
    purged, unfinished = Measure(), False
    if request.dry_run:
        purged = await rejections.measure(only, timeout_s=timeout_s)
    else:
        deadline_s = time.monotonic() + timeout_s
        arguments = json_format.MessageToDict(request, preserving_proto_field_name=True)
        call = AdminCall(ACTION, caller, arguments, started_at, now)

        def make_entry(deleted: Measure, end: PurgeEnd) -> AuditEntry:
            return call.make_entry(
                outcome=end.value, rows=deleted.rows, size_bytes=deleted.bytes, events=deleted.events
            )

        purged, end = await rejections.purge(
            only, step_rows=STEP_ROWS, is_late=lambda: time.monotonic() > deadline_s, audit=make_entry
        )
        unfinished = end is PurgeEnd.UNFINISHED
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
