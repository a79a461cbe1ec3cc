"""Replays rejected events: patches, validates and stores each exactly once, and records the outcome."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import orjson
import structlog
from google.protobuf import json_format

from events.json.document import Broken
from events.json.timestamps import write_rfc3339
from events.normalize import INVALID_EVENT, Normalizer, Rejected, Row
from events.patch import PATCH_DOES_NOT_FIT, Change, PatchError, apply_changes, read_path
from server.admin.audit import STOPPED, ReplayAudit
from server.admin.question import filter_names, read_filter, read_place, read_rejection_id, write_place
from server.admin.rejected_event import STATUSES, read_value
from server.ingest.field_violations import write_violations
from server.ingest.pipeline import REJECTED_BY_STORAGE
from server.paging import MAX_PAGE_SIZE, PageTokens, read_page_size
from server.reports.errors import QuestionError
from sociallive.analytics.v1.admin_service_pb2 import (
    FieldPatch,
    ReplayRejectedEventsRequest,
    ReplayRejectedEventsResponse,
    ReplayResult,
    ReplayState,
    ReplayStatus,
)
from storage.audit import AuditEntry
from storage.blocks.store import BlockStore
from storage.postgres.errors import StorageError, StorageUnavailableError
from storage.rejections import FailedReplay, RejectionRecord, Rejections, ReplayedMeanwhileError
from storage.write.batch import Batch, WriteOutcome

log = structlog.get_logger(__name__)

PORTION = 100
"""Rejected events of one transaction: at 64 KiB each, their payloads fit easily into memory."""
MAX_CHANGES = 32
"""A patch corrects a mistake; larger rewrites are sent as new events."""
MAX_MEETINGS = 5
"""How often a portion is read again because others replay the same events; each time some of them are done."""

PAYLOAD_NOT_KEPT = "PAYLOAD_NOT_KEPT"
NO_SUCH_REJECTION = "NO_SUCH_REJECTION"
NOT_TRIED = frozenset({PAYLOAD_NOT_KEPT, NO_SUCH_REJECTION})
"""Where there is nothing to replay, there is nothing to remember of it."""


@dataclass(frozen=True, slots=True)
class _ReplayPlan:
    """How to replay: the changes, whether any age is accepted, and whether it is a dry run."""

    changes: Sequence[Change]
    backfill: bool
    dry_run: bool
    timeout_s: float


class Replayer:
    """Replays rejected events with its own store, without queue and spool: it accepts only what it can store.

    Args of the constructor:
        rejections: the rejected events.
        normalizer: the rules of today.
        store: writes their events and marks them, in one transaction.
        tokens: writes and reads page tokens.
        now: returns the current UTC time.
    """

    def __init__(
        self,
        rejections: Rejections,
        normalizer: Normalizer,
        store: BlockStore,
        *,
        tokens: PageTokens,
        now: Callable[[], datetime],
    ) -> None:
        self._rejections = rejections
        self._normalizer = normalizer
        self._store = store
        self._tokens = tokens
        self._writing = asyncio.Lock()
        self._now = now

    async def replay(
        self, request: ReplayRejectedEventsRequest, *, caller: str, timeout_s: float
    ) -> ReplayRejectedEventsResponse:
        """Answer ReplayRejectedEvents. Events stored before an error are marked, and a repeat continues after them.

        The audit log gets an entry in the last transaction; a dry run leaves none.

        Args:
            request: as it was sent.
            caller: who, for the audit log.
            timeout_s: how long reading may take.

        Raises:
            QuestionError: the request is invalid.
            StorageUnavailableError: the database is unavailable.
            ReplayedMeanwhileError: others replay or purge the same events, again and again.
        """
        plan = _ReplayPlan(_read_patches(request.patches), request.backfill, request.dry_run, timeout_s)
        audit = ReplayAudit(request, caller, self._now)
        ids, next_page_token = await self._choose(request, timeout_s)
        results: list[ReplayResult] = []
        try:
            for start in range(0, len(ids), PORTION):
                is_last = start + PORTION >= len(ids) and not request.dry_run
                portion = await self._replay_portion(ids[start : start + PORTION], plan, audit if is_last else None)
                audit.add(portion)
                results += portion
        except BaseException:
            if results and not request.dry_run:
                with suppress(StorageError):
                    await self._rejections.add_audit(audit.make_entry(ending=STOPPED))
            raise
        counts = Counter(result.status for result in results)
        answer = ReplayRejectedEventsResponse(
            results=results,
            stored=counts[ReplayStatus.REPLAY_STATUS_STORED],
            duplicates=counts[ReplayStatus.REPLAY_STATUS_DUPLICATE],
            failed=counts[ReplayStatus.REPLAY_STATUS_FAILED],
            next_page_token=next_page_token,
        )
        log.info(
            "rejections_replayed",
            stored=answer.stored,
            duplicates=answer.duplicates,
            failed=answer.failed,
            dry_run=request.dry_run,
            backfill=request.backfill,
            changes=len(plan.changes),
            filters=filter_names(request.filter) if request.HasField("filter") else ["rejection_ids"],
        )
        return answer

    async def _choose(self, request: ReplayRejectedEventsRequest, timeout_s: float) -> tuple[list[str], str]:
        """Return the ids of the events to replay, and the token of the next page."""
        if request.HasField("filter") == bool(request.rejection_ids):
            raise QuestionError("filter", "or rejection_ids is required: set exactly one of them")
        if request.rejection_ids:
            if len(request.rejection_ids) > MAX_PAGE_SIZE:
                raise QuestionError("rejection_ids", f"must have at most {MAX_PAGE_SIZE:,} entries: split the call")
            return list(dict.fromkeys(read_rejection_id("rejection_ids", text) for text in request.rejection_ids)), ""
        if request.filter.replay_state == ReplayState.REPLAY_STATE_REPLAYED:
            raise QuestionError("filter.replay_state", "must not be REPLAYED: replayed events are already stored")
        limit = read_page_size(request.page_size)
        only = replace(read_filter(request.filter, self._now()), replayed=False)
        only, after = read_place(self._tokens, request, only)
        found = await self._rejections.oldest(only, after=after, limit=limit + 1, timeout_s=timeout_s)
        token = write_place(self._tokens, request, only, found[limit - 1]) if len(found) > limit else ""
        return [each.rejection_id for each in found[:limit]], token

    async def _replay_portion(
        self, ids: Sequence[str], plan: _ReplayPlan, audit: ReplayAudit | None
    ) -> list[ReplayResult]:
        """Replay some rejected events in one transaction; results are in the order of `ids`.

        If there is an event to store, the audit entry is added with it, else with the records of failures.
        """
        for meeting in range(MAX_MEETINGS):
            records = await self._rejections.by_ids(ids, timeout_s=plan.timeout_s)
            now = self._now()
            settled: dict[str, ReplayResult] = {}
            rows: dict[str, Row] = {}
            for rejection_id in ids:
                prepared = self._prepare(rejection_id, records.get(rejection_id), plan, now)
                if isinstance(prepared, ReplayResult):
                    settled[rejection_id] = prepared
                else:
                    rows[rejection_id] = prepared
            try:
                make_entry = partial(audit.make_entry, tuple(settled.values())) if audit else None
                outcomes = await self._write(rows, plan, now, make_entry)
            except ReplayedMeanwhileError:
                if meeting == MAX_MEETINGS - 1:
                    raise
                continue
            for (rejection_id, row), outcome in zip(rows.items(), outcomes, strict=True):
                settled[rejection_id] = _written(rejection_id, row, outcome)
            results = [settled[rejection_id] for rejection_id in ids]
            if not plan.dry_run:
                await self._note_failures(results, now, audit.make_entry(results) if audit and not rows else None)
            return results
        raise AssertionError("the last meeting returns or raises")

    def _prepare(
        self, rejection_id: str, record: RejectionRecord | None, plan: _ReplayPlan, now: datetime
    ) -> Row | ReplayResult:
        """Make the row of a rejected event, or return its final result."""
        if record is None:
            return _failed(rejection_id, NO_SUCH_REJECTION)
        if record.replayed_at is not None:
            status = ReplayStatus.REPLAY_STATUS_DUPLICATE
            return ReplayResult(rejection_id=rejection_id, event_id=record.replay_event_id or "", status=status)
        value = read_value(record)
        if value is None:
            return _failed(rejection_id, PAYLOAD_NOT_KEPT)
        if isinstance(value, Broken):
            return _refused(rejection_id, Rejected("", INVALID_EVENT, (value.violation,)))
        misfits = apply_changes(value, plan.changes)
        if misfits:
            return _refused(rejection_id, Rejected("", PATCH_DOES_NOT_FIT, tuple(misfits)))
        if not (value.get("eventId") or value.get("event_id")):
            value.pop("event_id", None)
            value["eventId"] = rejection_id  # so that every repeat of this replay has the same id
        prepared = self._normalize(value, record.received_at, now, backfill=plan.backfill)
        return _refused(rejection_id, prepared) if isinstance(prepared, Rejected) else prepared

    def _normalize(
        self, value: dict[str, Any], received_at: datetime, now: datetime, *, backfill: bool
    ) -> Row | Rejected:
        """Make the row of an event that is received anew, its timestamp reckoned from when it came first.

        Its age counts from today: events that retention has deleted must not come back by accident.
        """
        first = self._normalizer.prepare_json(value, received_at, backfill=backfill)
        if isinstance(first, Rejected):
            return first
        timestamp, source = first[3], first[5]
        settled = {name: each for name, each in value.items() if name not in ("sentAt", "sent_at")}
        settled["timestamp"] = write_rfc3339(timestamp)
        anew = self._normalizer.prepare_json(settled, now, backfill=backfill)
        if isinstance(anew, Rejected):
            return anew
        return (*anew[:5], source, *anew[6:])

    async def _write(
        self,
        rows: dict[str, Row],
        plan: _ReplayPlan,
        now: datetime,
        make_entry: Callable[[Sequence[WriteOutcome]], AuditEntry] | None,
    ) -> Sequence[WriteOutcome]:
        if not rows:
            return []
        if plan.dry_run:
            return await self._rejections.foresee(list(rows.values()), timeout_s=plan.timeout_s)
        batch = Batch(rows=list(rows.values()), rejections=(), claimed_at=now, replays=list(rows), audit=make_entry)
        async with self._writing:
            try:
                return await self._store.store(batch)
            except StorageUnavailableError:
                self._store.give_up_identity()  # whether the batch was committed is not known
                raise

    async def _note_failures(self, results: Sequence[ReplayResult], now: datetime, audit: AuditEntry | None) -> None:
        failures = [
            FailedReplay(result.rejection_id, result.reason, result.event_id or None, _violations_json(result))
            for result in results
            if result.status == ReplayStatus.REPLAY_STATUS_FAILED and result.reason not in NOT_TRIED
        ]
        if failures or audit:
            await self._rejections.note_failures(failures, now, audit)


def _read_patches(patches: Sequence[FieldPatch]) -> list[Change]:
    """Read the changes.

    Raises:
        QuestionError: there are too many, or one of them is not possible for any event.
    """
    if len(patches) > MAX_CHANGES:
        raise QuestionError("patches", f"must have at most {MAX_CHANGES} entries, not {len(patches)}")
    changes = []
    for index, item in enumerate(patches):
        where = f"patches[{index}]"
        change = item.WhichOneof("change")
        # A field that no event has is what a caller misspelt: it can be removed or moved, but not set.
        path = _read_path(f"{where}.field", item.field, may_be_unknown=change in ("remove", "move_to"))
        if change == "remove" and item.remove:
            changes.append(Change(path, remove=True))
            continue
        if change == "move_to":
            changes.append(Change(path, move_to=_read_path(f"{where}.move_to", item.move_to)))
            continue
        if item.value.WhichOneof("kind") is None:
            raise QuestionError(where, "must set one of value, remove and move_to")
        try:
            changes.append(Change(path, json_format.MessageToDict(item.value)))
        except (json_format.Error, ValueError, RecursionError) as exc:
            raise QuestionError(f"{where}.value", "must be a JSON value, without infinity and NaN") from exc
    return changes


def _read_path(where: str, text: str, *, may_be_unknown: bool = False) -> tuple[str, ...]:
    try:
        return read_path(text, may_be_unknown=may_be_unknown)
    except PatchError as exc:
        raise QuestionError(where, str(exc)) from exc


def _written(rejection_id: str, row: Row, outcome: WriteOutcome) -> ReplayResult:
    status = STATUSES.get(outcome.name)
    if status is not None:
        return ReplayResult(rejection_id=rejection_id, event_id=row[0], status=status)
    return _refused(rejection_id, replace(REJECTED_BY_STORAGE[outcome], event_id=row[0]))


def _refused(rejection_id: str, rejected: Rejected) -> ReplayResult:
    result = _failed(rejection_id, rejected.reason)
    result.event_id = rejected.event_id
    result.violations.extend(write_violations(rejected.violations))
    return result


def _failed(rejection_id: str, reason: str) -> ReplayResult:
    status = ReplayStatus.REPLAY_STATUS_FAILED
    return ReplayResult(rejection_id=rejection_id, status=status, reason=reason)


def _violations_json(result: ReplayResult) -> str:
    fields = [json_format.MessageToDict(each, preserving_proto_field_name=True) for each in result.violations]
    return orjson.dumps(fields).decode()
