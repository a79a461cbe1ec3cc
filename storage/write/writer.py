"""The writer: gathers what callers submit and has it written in batches; callers wait for the commit."""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

import structlog

from storage.blocks.codec import ActorHash
from storage.blocks.store import BlockStore, RejectRow
from storage.postgres.database import Database
from storage.postgres.errors import StorageError, StorageUnavailableError, locate_error, name_error
from storage.quarantine import Quarantine
from storage.spool import Spool, SpoolFullError
from storage.write.batch import COLUMNS, Batch, Rejection, Row, WriteOutcome
from storage.write.drainer import Drainer
from storage.write.outage import Outage
from storage.write.write_queue import MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS, STOPPED, Submission, WriteQueue

__all__ = ["COLUMNS", "Rejection", "Row", "WriteOutcome", "Writer", "WriterCounts"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class WriterCounts:
    """What a writer has done since it started: events by what became of them, and transactions."""

    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0
    failed: int = 0
    writes: int = 0


class Writer:
    """Writes events exactly once, in batches over `connections` connections.

    While a write is under way events gather, and the next write takes all of them up to a bound. Run `run` as a task;
    `write` may be called before it runs.

    Args of the constructor:
        database, quarantine: where to write.
        spool: where to keep events while the database is away; None refuses them instead. Closed by its owner.
        reject_row: makes the rejection of a row that turns out to be refused.
        hash_actor: makes pseudonyms of actors.
        connections: concurrent transactions.
        batch_size, batch_interval_ms: triggers; None for the tuned defaults.
        max_queued_events, max_queued_bytes: bounds of what may wait.
    """

    def __init__(
        self,
        database: Database,
        quarantine: Quarantine,
        spool: Spool | None,
        *,
        reject_row: RejectRow,
        hash_actor: ActorHash,
        connections: int,
        batch_size: int | None,
        batch_interval_ms: int | None,
        max_queued_events: int = MAX_QUEUED_EVENTS,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        self._queue = WriteQueue(
            batch_size=batch_size,
            batch_interval_ms=batch_interval_ms,
            max_events=max_queued_events,
            max_bytes=max_queued_bytes,
        )

        def make_store() -> BlockStore:
            return BlockStore(database, quarantine, reject_row=reject_row, hash_actor=hash_actor)

        self._stores = [make_store() for _ in range(connections)]
        self._spool = spool
        self._outage = Outage()
        self._drainer = Drainer(spool, self._outage, database, make_store()) if spool is not None else None
        self._running = False
        self._stopped = asyncio.Event()
        self.counts = WriterCounts()

    @property
    def queued_events(self) -> int:
        """How many events wait to be written."""
        return len(self._queue)

    @property
    def retries(self) -> int:
        """How many times a batch had to be tried again."""
        return sum(store.retries for store in self._stores)

    def takes_events(self, database_answers: bool) -> bool:  # noqa: FBT001 - called back with the one fact there is
        """Tell whether events are taken: the database answers and takes writes, or the spool has room."""
        return (database_answers and not self._outage.is_on) or (self._spool is not None and self._spool.has_room)

    async def write(
        self, rows: Sequence[Row], rejections: Sequence[Rejection] = (), *, size_bytes: int, wait: bool
    ) -> list[WriteOutcome]:
        """Write rows and return, once they are durable, one outcome for each, in order.

        A caller who is cancelled takes back what is not being written yet; the rest is written all the same.

        Args:
            rows: events in the order of COLUMNS.
            rejections: events that were refused, in the order of REJECTION_COLUMNS; they go to the quarantine.
            size_bytes: roughly what they hold in memory, for the queue's bound.
            wait: whether to wait for room in a full queue.

        Raises:
            WriterFullError: the queue is full, and the caller does not wait.
            StorageUnavailableError: the database stays away and nothing could be spooled, or the writer has stopped.
            StorageRefusedError: the database refuses this service.
        """
        if not rows and not rejections:
            return []
        submission = Submission(rows, size_bytes, rejections)
        await self._queue.put(submission, wait=wait)
        try:
            return await submission.outcomes
        except asyncio.CancelledError:
            self._queue.withdraw(submission)
            raise

    async def run(self) -> None:
        """Write until `stop` is called and all that was submitted before is settled.

        When it is cancelled instead, callers who still wait get a StorageUnavailableError.
        """
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                draining = tasks.create_task(self._drainer.run()) if self._drainer is not None else None
                await asyncio.wait([tasks.create_task(self._write_batches(store)) for store in self._stores])
                if draining is not None:
                    draining.cancel()
        finally:
            self._running = False
            self._end()

    async def stop(self) -> None:
        """Take no more rows, write those that wait, and let `run` return."""
        self._queue.close()
        if self._running:
            await self._stopped.wait()
        else:
            self._end()

    def _end(self) -> None:
        """Leave nobody waiting for a writer that does not write any more."""
        self._queue.close()
        self._fail(self._queue.take_rest(), StorageUnavailableError(STOPPED))
        self._stopped.set()

    async def _write_batches(self, store: BlockStore) -> None:
        try:
            while submissions := await self._queue.take():
                try:
                    await self._write_batch(store, submissions)
                finally:
                    self._queue.done()
        finally:
            await store.close()

    async def _write_batch(self, store: BlockStore, submissions: list[Submission]) -> None:
        """Write one batch and settle its submissions, whatever happens."""
        started_at_s = asyncio.get_running_loop().time()
        batch = Batch(
            rows=list(chain.from_iterable(submission.rows for submission in submissions)),
            rejections=list(chain.from_iterable(submission.rejections for submission in submissions)),
            claimed_at=datetime.now(UTC),
        )
        try:
            outcomes = await self._store_or_spool(store, batch)
        except StorageError as exc:
            self._fail(submissions, exc)
            return
        except Exception as exc:  # noqa: BLE001 - whatever it was, it is named in the log
            # No traceback: it may quote events.
            log.error("write_failed", events=len(batch), error=name_error(exc), at=locate_error(exc))  # noqa: TRY400 - as above
            self._fail(submissions, StorageError("the database does not take this write; the server's log tells why"))
            return
        except BaseException:
            self._fail(submissions, StorageUnavailableError(STOPPED))
            raise
        self._settle(submissions, outcomes)
        self.counts.writes += 1
        log.debug(
            "batch_written", events=len(batch), ms=round((asyncio.get_running_loop().time() - started_at_s) * 1000, 1)
        )

    async def _store_or_spool(self, store: BlockStore, batch: Batch) -> list[WriteOutcome]:
        """Store a batch; where Postgres is gone, spool it.

        Raises:
            StorageUnavailableError: Postgres is gone, and there is no spool, or no room in it.
        """
        if not self._outage.is_on:
            try:
                return await store.store(batch)
            except StorageUnavailableError as exc:
                if self._spool is None:
                    raise
                self._outage.begin(str(exc), name_error(exc))
                # Whether it was committed is not known: spooled under this identity, it is stored once all the same.
                batch = replace(batch, identity=store.give_up_identity())
        assert self._spool is not None  # noqa: S101 - without a spool no outage begins
        try:
            await self._spool.append(batch)
        except SpoolFullError:
            self._outage.note_full()
            raise
        self.counts.spooled += len(batch)
        return [WriteOutcome.SPOOLED] * len(batch.rows)

    def _settle(self, submissions: Sequence[Submission], outcomes: list[WriteOutcome]) -> None:
        """Answer every submission with its part of the outcomes."""
        start = 0
        for submission in submissions:
            end = start + len(submission.rows)
            part = outcomes[start:end] if len(submissions) > 1 else outcomes
            start = end
            self._count(part)
            self.counts.rejected += len(submission.rejections)
            if not submission.outcomes.done():
                submission.outcomes.set_result(part)

    def _fail(self, submissions: Sequence[Submission], error: StorageError) -> None:
        for submission in submissions:
            self.counts.failed += submission.events
            if not submission.outcomes.done():
                # An error of each caller's own: a traceback grows wherever it is raised.
                submission.outcomes.set_exception(copy(error))
                submission.outcomes.exception()  # a caller who has gone away leaves nobody to retrieve it

    def _count(self, outcomes: list[WriteOutcome]) -> None:
        stored = outcomes.count(WriteOutcome.STORED)
        self.counts.stored += stored
        if stored < len(outcomes):
            self.counts.duplicates += outcomes.count(WriteOutcome.DUPLICATE)
            self.counts.rejected += outcomes.count(WriteOutcome.CONFLICT) + outcomes.count(WriteOutcome.REFUSED)
