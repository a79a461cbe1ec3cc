"""The ingest pipeline: validate, normalize, write."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from events import normalize, rejection
from events.event_type import Form
from events.normalize import Normalizer, Rejected, Row
from events.rejection import ID_CONFLICT, REFUSED_BY_DATABASE, Rejection, reject_row
from server.access.caller import Caller
from server.access.scopes import BACKFILL
from server.ingest.errors import EventRejectedError, IdConflictError, TooManyEventsError
from server.ingest.intake import MAX_EVENTS_PER_MESSAGE, Intake, open_event, open_events, open_messages
from server.ingest.tally import MAX_REJECTION_BYTES, Tally
from sociallive.analytics.v1.schema_service_pb2 import ValidateRequest
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest, TrackRequest
from storage.write import batch
from storage.write.writer import WriteOutcome, Writer

EVENTS_PER_TURN = 500
"""After this many events of a large message the loop serves other callers."""
MAX_WRITES_PER_STREAM = 8
"""Messages of one stream that may wait for their commit; past it the stream is not read, so its sender slows down. With
messages of 500 events this keeps two writers busy (4 were a seventh slower, 12 no faster)."""
PAUSE_OF_MOSTLY_REJECTED = 3.0
"""A rejected event costs several times what a stored one does. A message of mostly rejected events is followed by a
pause of this many times its duration, which leaves three quarters of the process to callers with valid events."""

REJECTED_BY_STORAGE: dict[WriteOutcome, Rejected] = {
    WriteOutcome.CONFLICT: ID_CONFLICT,
    WriteOutcome.REFUSED: REFUSED_BY_DATABASE,
}
"""Why a row is rejected that passed every rule, by the names in a message."""


def reject_stored(row: Sequence[Any], outcome: WriteOutcome) -> Rejection:
    """Make the rejection of a row that storage refused; `storage.blocks.store` calls it."""
    return reject_row(tuple(row), REJECTED_BY_STORAGE[outcome], "storage")


if (normalize.COLUMNS, rejection.COLUMNS) != (batch.COLUMNS, batch.REJECTION_COLUMNS):
    raise AssertionError("events and storage disagree about the columns of a row or of a rejection")

_EVENT_TYPE: Final = 1
_USER_ID: Final = 8
"""The positions of both in a Row."""
if (normalize.COLUMNS[_EVENT_TYPE], normalize.COLUMNS[_USER_ID]) != ("event_type", "user_id"):
    raise AssertionError("the columns of a row have moved")


@dataclass(frozen=True, slots=True)
class Tracked:
    """The result of one event; `outcome` is STORED, DUPLICATE or SPOOLED."""

    event_id: str
    outcome: WriteOutcome
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The content of one message: rows with their places in the stream, and rejections.

    Attributes:
        form: of the events.
        rows: the valid ones.
        indices: the place of each of them in the stream.
        unnamed: which of `rows` came without an id.
        rejections: the others.
        size_bytes: of the message.
        most_bytes: the room for each rejection in the response.
    """

    form: Form
    rows: list[Row]
    indices: list[int]
    unnamed: list[int]
    rejections: list[Rejection]
    size_bytes: int
    most_bytes: int


class Pipeline:
    """Takes events through validation and normalisation to the writer; answers come after the commit."""

    def __init__(self, normalizer: Normalizer, writer: Writer, *, now: Callable[[], datetime]) -> None:
        """Make a pipeline; `now` returns the current UTC time."""
        self._normalizer = normalizer
        self._writer = writer
        self._now = now

    async def track(self, request: TrackRequest, caller: Caller, address: str = "") -> Tracked:
        """Store one event.

        Args:
            request: as it was sent, in either form.
            caller: who sends it.
            address: that of the client, for an event that names none.

        Raises:
            InvalidRequestError: the request has both forms, or a body that is not called JSON.
            NotAllowedByKeyError: the caller may not send this event.
            EventRejectedError: the event breaks a rule, or Postgres refuses it; it is in quarantine.
            IdConflictError: its id belongs to another event; it is in quarantine.
            WriterFullError: too many events wait already.
            StorageUnavailableError: the database is unavailable, and the event could not be spooled.
        """
        received_at = self._now()
        intake = open_event(request, self._normalizer, address)
        prepared = intake.prepare(intake.events[0], received_at, backfill=False)
        _admit([prepared], caller)
        if isinstance(prepared, Rejected):
            kept = (intake.reject(0, prepared, received_at, "Track"),)
            await self._writer.write((), kept, size_bytes=intake.size_bytes, wait=False)
            raise EventRejectedError(prepared)
        (outcome,) = await self._writer.write((prepared,), size_bytes=intake.size_bytes, wait=False)
        if outcome in REJECTED_BY_STORAGE:
            rejected = _rejected_by_storage(outcome, intake.form)
            raise (IdConflictError if outcome is WriteOutcome.CONFLICT else EventRejectedError)(rejected)
        return Tracked(prepared[0], outcome, self.warnings_of(prepared))

    def dry_run(self, request: ValidateRequest) -> Row | Rejected:
        """Prepare one event as `track` does, and leave it at that: nothing is stored, quarantined or counted.

        Raises:
            InvalidRequestError: as for `track`.
        """
        intake = open_event(request, self._normalizer, address="")
        return intake.prepare(intake.events[0], self._now(), backfill=False)

    def warnings_of(self, row: Row) -> list[str]:
        """List what the sender of an event should correct although it was, or would be, accepted."""
        return self._normalizer.warnings_of(row)

    async def track_events(self, request: TrackEventsRequest, caller: Caller, address: str = "") -> Tally:
        """Store the events of one message; invalid ones are counted and reported, and the others are stored.

        Args:
            request: as it was sent, in either form.
            caller: who sends it.
            address: that of the client, for events that name none; a backfill's come from elsewhere.

        Raises:
            InvalidRequestError: the request has both forms, or what stands around its events makes no sense.
            MissingScopeError: it is a backfill, which the caller may not send.
            NotAllowedByKeyError: the caller may not send one of its events.
            EventRejectedError: its body is no JSON; it is in quarantine as one event.
            TooManyEventsError: the message holds more than MAX_EVENTS_PER_MESSAGE.
            WriterFullError: too many events wait already.
            StorageUnavailableError: the database is unavailable, and the events could not be spooled.
        """
        tally = Tally()
        intake = open_events(request, self._normalizer, address)
        prepared = await self._prepare(intake, tally, "TrackEvents", caller)
        await self._write(prepared, tally, wait=False)
        if intake.unreadable is not None:
            raise EventRejectedError(intake.unreadable)
        return tally

    async def track_stream(self, requests: AsyncIterator[TrackBatchRequest], caller: Caller) -> Tally:
        """Store the events of a stream; messages are read ahead of their commits, MAX_WRITES_PER_STREAM at most.

        When the caller goes away, what it sent is stored or not, each event whole; sending it again is safe.

        Raises:
            MissingScopeError, NotAllowedByKeyError: the caller may not send a message; those before it may be stored.
            TooManyEventsError: a message holds more than MAX_EVENTS_PER_MESSAGE; those before it are stored.
            StorageUnavailableError: the database is unavailable, and events could not be spooled.
        """
        tally = Tally()
        places = asyncio.Semaphore(MAX_WRITES_PER_STREAM)

        async def write(prepared: Prepared) -> None:
            try:
                await self._write(prepared, tally, wait=True)
            finally:
                places.release()

        try:
            async with asyncio.TaskGroup() as writes:
                async for request in requests:
                    intake = open_messages(request, self._normalizer)
                    prepared = await self._prepare(intake, tally, "TrackBatch", caller)
                    await places.acquire()
                    writes.create_task(write(prepared))
        except* Exception as group:  # noqa: BLE001 - the caller gets the first error, whatever it is
            raise group.exceptions[0] from None
        tally.rejections.sort(key=lambda rejected: rejected.index)
        tally.assigned_ids.sort()
        return tally

    async def _prepare(self, intake: Intake, tally: Tally, source: str, caller: Caller) -> Prepared:
        """Make rows of the valid events, with their places in the stream, and rejections of the others."""
        events, backfill, prepare, id_of = intake.events, intake.backfill, intake.prepare, intake.id_of
        if len(events) > MAX_EVENTS_PER_MESSAGE:
            raise TooManyEventsError(len(events), MAX_EVENTS_PER_MESSAGE)
        if backfill:
            caller.require(BACKFILL)
        received_at, first = self._now(), tally.received
        made = Prepared(intake.form, [], [], [], [], intake.size_bytes, MAX_REJECTION_BYTES // max(1, len(events)))
        started_at_s = time.monotonic()
        add_row, add_index = made.rows.append, made.indices.append
        for index, event in enumerate(events, first):
            prepared = prepare(event, received_at, backfill=backfill)
            if isinstance(prepared, Rejected):
                kept = intake.reject(index - first, prepared, received_at, source)
                tally.reject(index, kept[rejection.EVENT_ID] or "", prepared, most_bytes=made.most_bytes)
                made.rejections.append(kept)
            else:
                if not id_of(event):
                    made.unnamed.append(len(made.rows))
                add_row(prepared)
                add_index(index)
            if index % EVENTS_PER_TURN == EVENTS_PER_TURN - 1:
                await asyncio.sleep(0)
        _admit(made.rows, caller, taken=len(events))
        tally.received += len(events)
        tally.warnings.update(self._normalizer.count_warnings(made.rows, backfill=backfill))
        if len(made.rejections) > len(made.rows):
            await asyncio.sleep(PAUSE_OF_MOSTLY_REJECTED * (time.monotonic() - started_at_s))
        return made

    async def _write(self, prepared: Prepared, tally: Tally, *, wait: bool) -> None:
        """Write the rows and rejections of one message, and count the results."""
        outcomes = await self._writer.write(
            prepared.rows, prepared.rejections, size_bytes=prepared.size_bytes, wait=wait
        )
        for place in prepared.unnamed:
            if outcomes[place] not in REJECTED_BY_STORAGE:
                tally.assign(prepared.indices[place], prepared.rows[place][0])
        stored = outcomes.count(WriteOutcome.STORED)
        tally.stored += stored
        if stored == len(outcomes):
            return
        tally.duplicates += outcomes.count(WriteOutcome.DUPLICATE)
        tally.spooled += outcomes.count(WriteOutcome.SPOOLED)
        for row, index, outcome in zip(prepared.rows, prepared.indices, outcomes, strict=True):
            if outcome in REJECTED_BY_STORAGE:
                rejected = _rejected_by_storage(outcome, prepared.form)
                tally.reject(index, row[0], rejected, most_bytes=prepared.most_bytes)


def _admit(rows: Sequence[Row | Rejected], caller: Caller, *, taken: int = 1) -> None:
    """Refuse a message with a valid event that its caller may not send, and count the events of all others.

    Raises:
        NotAllowedByKeyError: there is one.
    """
    check = caller.event_check()
    if check is not None:
        for row in rows:
            if not isinstance(row, Rejected):
                check(row[_EVENT_TYPE], row[_USER_ID])
    if caller.key is not None:
        caller.key.quota.take(taken)


def _rejected_by_storage(outcome: WriteOutcome, form: Form) -> Rejected:
    """Say why a row is rejected, by the names in the form in which its event came."""
    rejected = REJECTED_BY_STORAGE[outcome]
    if form is Form.JSON and outcome is WriteOutcome.CONFLICT:
        return replace(rejected, violations=tuple(each._replace(field="eventId") for each in rejected.violations))
    return rejected
