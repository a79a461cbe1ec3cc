"""The ingest pipeline: validate, normalize, write."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from events import normalize, rejection
from events.normalize import Normalizer, Rejected, Row, refuse_fields
from events.rejection import ID_CONFLICT, REFUSED_BY_DATABASE, Rejection, reject_event, reject_row
from events.violations import Violation
from server.ingest.errors import EventRejectedError, IdConflictError, TooManyEventsError
from server.ingest.tally import Tally
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest
from storage import batch
from storage.writer import WriteOutcome, Writer

MAX_EVENTS_PER_MESSAGE = 5_000
"""Bounds what one message can hold up: this many events take about 50 ms to prepare."""
EVENTS_PER_TURN = 500
"""After so many events of a large message the loop serves other callers."""
MAX_WRITES_PER_STREAM = 8
"""Messages of one stream that may wait for their commit; past it the stream is not read, so its sender slows down. With
messages of 500 events this keeps two writers busy (4 were a seventh slower, 12 no faster)."""
PAUSE_OF_MOSTLY_REJECTED = 3.0
"""A rejected event costs several times what a stored one does. A message of mostly such is followed by a pause of so
many times what it took, which leaves three quarters of the process to those who send good ones."""

Unknown = Mapping[int, Sequence[Violation]]
"""Fields that events were sent with and do not have, by the place of the event in its message."""
NOTHING_UNKNOWN: Unknown = MappingProxyType({})

REJECTED_BY_STORAGE: dict[WriteOutcome, Rejected] = {
    WriteOutcome.CONFLICT: ID_CONFLICT,
    WriteOutcome.REFUSED: REFUSED_BY_DATABASE,
}
"""Why a row is rejected that passed every rule."""


def reject_stored(row: Sequence[Any], outcome: WriteOutcome) -> Rejection:
    """Make the rejection of a row that storage turned down; `storage.batch_store` asks for it."""
    return reject_row(tuple(row), REJECTED_BY_STORAGE[outcome], "storage")


if (normalize.COLUMNS, rejection.COLUMNS) != (batch.COLUMNS, batch.REJECTION_COLUMNS):
    raise AssertionError("events and storage disagree about the columns of a row or of a rejection")


@dataclass(frozen=True, slots=True)
class Tracked:
    """What became of one event; `outcome` is STORED, DUPLICATE or SPOOLED."""

    event_id: str
    outcome: WriteOutcome
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What one message holds: rows with their places in the stream, and rejections."""

    rows: list[Row]
    indices: list[int]
    rejections: list[Rejection]
    size_bytes: int


class Pipeline:
    """Takes events through validation and normalisation to the writer; answers come after the commit."""

    def __init__(self, normalizer: Normalizer, writer: Writer, *, now: Callable[[], datetime]) -> None:
        """Make a pipeline; `now` tells the current UTC time."""
        self._normalizer = normalizer
        self._writer = writer
        self._now = now

    async def track(self, event: Event, unknown: Unknown = NOTHING_UNKNOWN) -> Tracked:
        """Store one event.

        Args:
            event: as it was sent.
            unknown: fields that it was sent with and does not have.

        Raises:
            EventRejectedError: it breaks a rule, or Postgres refuses it; it is in quarantine.
            IdConflictError: its id belongs to another event; it is in quarantine.
            WriterFullError: too many events wait already.
            StorageUnavailableError: the database is away, and the event could not be spooled.
        """
        received_at = self._now()
        prepared = self._prepare_one(event, received_at, unknown)
        if isinstance(prepared, Rejected):
            kept = (reject_event(event, prepared, received_at, "Track"),)
            await self._writer.write((), kept, size_bytes=event.ByteSize(), wait=False)
            raise EventRejectedError(prepared)
        (outcome,) = await self._writer.write((prepared,), size_bytes=event.ByteSize(), wait=False)
        if outcome in REJECTED_BY_STORAGE:
            raise (IdConflictError if outcome is WriteOutcome.CONFLICT else EventRejectedError)(
                REJECTED_BY_STORAGE[outcome]
            )
        return Tracked(prepared[0], outcome, self.warnings_of(prepared))

    def dry_run(self, event: Event, unknown: Unknown = NOTHING_UNKNOWN) -> Row | Rejected:
        """Prepare one event as `track` does, and leave it at that: nothing is stored, quarantined or counted."""
        return self._prepare_one(event, self._now(), unknown)

    def warnings_of(self, row: Row) -> list[str]:
        """Say what the sender of an event should mend although it was, or would be, taken."""
        return self._normalizer.warnings_of(row)

    def _prepare_one(self, event: Event, received_at: datetime, unknown: Unknown) -> Row | Rejected:
        prepared = self._normalizer.prepare(event, received_at, backfill=False)
        return refuse_fields(event, prepared, unknown[0]) if unknown else prepared

    async def track_events(self, request: TrackEventsRequest, unknown: Unknown = NOTHING_UNKNOWN) -> Tally:
        """Store the events of one message; a bad one is counted and told, and the others are stored.

        Args:
            request: as it was sent.
            unknown: fields that its events were sent with and do not have, by the place of the event.

        Raises:
            TooManyEventsError: the message holds more than MAX_EVENTS_PER_MESSAGE.
            WriterFullError: too many events wait already.
            StorageUnavailableError: the database is away, and the events could not be spooled.
        """
        tally = Tally()
        prepared = await self._prepare(request, tally, "TrackEvents", unknown)
        await self._write(prepared, tally, wait=False)
        return tally

    async def track_stream(self, requests: AsyncIterator[TrackBatchRequest]) -> Tally:
        """Store the events of a stream; messages are read ahead of their commits, MAX_WRITES_PER_STREAM at most.

        When the caller goes away, what it sent is stored or not, each event whole; sending it again is safe.

        Raises:
            TooManyEventsError: a message holds more than MAX_EVENTS_PER_MESSAGE; those before it are stored.
            StorageUnavailableError: the database is away, and events could not be spooled.
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
                    prepared = await self._prepare(request, tally, "TrackBatch")
                    await places.acquire()
                    writes.create_task(write(prepared))
        except* Exception as group:  # noqa: BLE001 - whatever it was, the caller is told the first fault
            raise group.exceptions[0] from None
        tally.rejections.sort(key=lambda rejected: rejected.index)
        return tally

    async def _prepare(
        self,
        request: TrackBatchRequest | TrackEventsRequest,
        tally: Tally,
        source: str,
        unknown: Unknown = NOTHING_UNKNOWN,
    ) -> Prepared:
        """Make rows of the valid events, with their places in the stream, and rejections of the others."""
        if len(request.events) > MAX_EVENTS_PER_MESSAGE:
            raise TooManyEventsError(len(request.events), MAX_EVENTS_PER_MESSAGE)
        received_at, backfill, prepare = self._now(), request.backfill, self._normalizer.prepare
        made = Prepared([], [], [], request.ByteSize())
        started_at_s = time.monotonic()
        add_row, add_index = made.rows.append, made.indices.append
        for index, event in enumerate(request.events, tally.received):
            prepared = prepare(event, received_at, backfill=backfill)
            if unknown and index in unknown:
                prepared = refuse_fields(event, prepared, unknown[index])
            if isinstance(prepared, Rejected):
                tally.reject(index, event.event_id, prepared.reason, prepared.violations)
                made.rejections.append(reject_event(event, prepared, received_at, source))
            else:
                add_row(prepared)
                add_index(index)
            if index % EVENTS_PER_TURN == EVENTS_PER_TURN - 1:
                await asyncio.sleep(0)
        tally.received += len(request.events)
        tally.warnings.update(self._normalizer.count_warnings(made.rows, backfill=backfill))
        if len(made.rejections) > len(made.rows):
            await asyncio.sleep(PAUSE_OF_MOSTLY_REJECTED * (time.monotonic() - started_at_s))
        return made

    async def _write(self, prepared: Prepared, tally: Tally, *, wait: bool) -> None:
        """Write what one message holds, and count what becomes of it."""
        outcomes = await self._writer.write(
            prepared.rows, prepared.rejections, size_bytes=prepared.size_bytes, wait=wait
        )
        stored = outcomes.count(WriteOutcome.STORED)
        tally.stored += stored
        if stored == len(outcomes):
            return
        tally.duplicates += outcomes.count(WriteOutcome.DUPLICATE)
        tally.spooled += outcomes.count(WriteOutcome.SPOOLED)
        for row, index, outcome in zip(prepared.rows, prepared.indices, outcomes, strict=True):
            rejected = REJECTED_BY_STORAGE.get(outcome)
            if rejected is not None:
                tally.reject(index, row[0], rejected.reason, rejected.violations)
