"""The ingest pipeline: validate, normalize, write."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from events import normalize
from events.normalize import Normalizer, Rejected, Row
from events.violations import Violation
from server.ingest.errors import EventRejectedError, TooManyEventsError
from server.ingest.tally import Tally
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackEventsRequest
from storage import writer
from storage.writer import WriteOutcome, Writer

MAX_EVENTS_PER_MESSAGE = 5_000
"""Bounds what one message can hold up: this many events take about 50 ms to prepare."""
EVENTS_PER_TURN = 500
"""After so many events of a large message the loop serves other callers."""
MAX_WRITES_PER_STREAM = 4
"""Messages of one stream that may wait for their commit; past it the stream is not read, so its sender slows down."""

REFUSED_BY_DATABASE = Rejected(
    event_id="",
    reason="REFUSED_BY_DATABASE",
    violations=(Violation("event", "event", "STORABLE", "the database refuses a value of this event"),),
)
"""What a row gets that passed every rule and that Postgres still refuses: a gap in our rules."""

if normalize.COLUMNS != writer.COLUMNS:
    raise AssertionError("events and storage disagree about the columns of a row")


@dataclass(frozen=True, slots=True)
class Tracked:
    """What became of one event; `outcome` is STORED or DUPLICATE."""

    event_id: str
    outcome: WriteOutcome
    warnings: Sequence[str]


class Pipeline:
    """Takes events through validation and normalisation to the writer; answers come after the commit."""

    def __init__(self, normalizer: Normalizer, writer: Writer, *, now: Callable[[], datetime]) -> None:
        """Make a pipeline; `now` tells the current UTC time."""
        self._normalizer = normalizer
        self._writer = writer
        self._now = now

    async def track(self, event: Event) -> Tracked:
        """Store one event.

        Raises:
            EventRejectedError: it breaks a rule, or Postgres refuses it.
            WriterFullError: too many events wait already.
            StorageUnavailableError: the database is away.
        """
        prepared = self._normalizer.prepare(event, self._now(), backfill=False)
        if isinstance(prepared, Rejected):
            raise EventRejectedError(prepared)
        (outcome,) = await self._writer.write((prepared,), size_bytes=event.ByteSize(), wait=False)
        if outcome is WriteOutcome.REFUSED:
            raise EventRejectedError(REFUSED_BY_DATABASE)
        return Tracked(prepared[0], outcome, normalize.warnings_of(prepared))

    async def track_events(self, request: TrackEventsRequest) -> Tally:
        """Store the events of one message; a bad one is counted and told, and the others are stored.

        Raises:
            TooManyEventsError: the message holds more than MAX_EVENTS_PER_MESSAGE.
            WriterFullError: too many events wait already.
            StorageUnavailableError: the database is away.
        """
        tally = Tally()
        rows, indices = await self._prepare(request, tally)
        await self._write(rows, indices, tally, size_bytes=request.ByteSize(), wait=False)
        return tally

    async def track_stream(self, requests: AsyncIterator[TrackBatchRequest]) -> Tally:
        """Store the events of a stream; messages are read ahead of their commits, MAX_WRITES_PER_STREAM at most.

        When the caller goes away, what it sent is stored or not, each event whole; sending it again is safe.

        Raises:
            TooManyEventsError: a message holds more than MAX_EVENTS_PER_MESSAGE; those before it are stored.
            StorageUnavailableError: the database is away.
        """
        tally = Tally()
        places = asyncio.Semaphore(MAX_WRITES_PER_STREAM)

        async def write(rows: list[Row], indices: list[int], size_bytes: int) -> None:
            try:
                await self._write(rows, indices, tally, size_bytes=size_bytes, wait=True)
            finally:
                places.release()

        try:
            async with asyncio.TaskGroup() as writes:
                async for request in requests:
                    rows, indices = await self._prepare(request, tally)
                    await places.acquire()
                    writes.create_task(write(rows, indices, request.ByteSize()))
        except* Exception as group:  # noqa: BLE001 - whatever it was, the caller is told the first fault
            raise group.exceptions[0] from None
        tally.rejections.sort(key=lambda rejection: rejection.index)
        return tally

    async def _prepare(
        self, request: TrackBatchRequest | TrackEventsRequest, tally: Tally
    ) -> tuple[list[Row], list[int]]:
        """Make rows of the valid events, with their places in the stream; count the others as rejected."""
        if len(request.events) > MAX_EVENTS_PER_MESSAGE:
            raise TooManyEventsError(len(request.events), MAX_EVENTS_PER_MESSAGE)
        received_at, backfill, prepare = self._now(), request.backfill, self._normalizer.prepare
        rows: list[Row] = []
        indices: list[int] = []
        for index, event in enumerate(request.events, tally.received):
            prepared = prepare(event, received_at, backfill=backfill)
            if isinstance(prepared, Rejected):
                tally.reject(index, event.event_id, prepared.reason, prepared.violations)
            else:
                rows.append(prepared)
                indices.append(index)
            if index % EVENTS_PER_TURN == EVENTS_PER_TURN - 1:
                await asyncio.sleep(0)
        tally.received += len(request.events)
        return rows, indices

    async def _write(self, rows: list[Row], indices: list[int], tally: Tally, *, size_bytes: int, wait: bool) -> None:
        if not rows:
            return
        outcomes = await self._writer.write(rows, size_bytes=size_bytes, wait=wait)
        stored = outcomes.count(WriteOutcome.STORED)
        tally.stored += stored
        if stored == len(outcomes):
            return
        for row, index, outcome in zip(rows, indices, outcomes, strict=True):
            if outcome is WriteOutcome.DUPLICATE:
                tally.duplicates += 1
            elif outcome is WriteOutcome.REFUSED:
                refused = REFUSED_BY_DATABASE
                tally.reject(index, row[0], refused.reason, refused.violations)
