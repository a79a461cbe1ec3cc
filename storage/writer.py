"""The writer: gathers what callers submit and has it written in batches; callers wait for the commit."""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import structlog

from storage.batch_store import COLUMNS, EVENT_ID, BatchStore, StoredBatch, WriteOutcome
from storage.database import Database
from storage.errors import StorageError, StorageUnavailableError
from storage.partitions import Partitions
from storage.write_queue import MAX_QUEUED_BYTES, MAX_QUEUED_EVENTS, STOPPED, Row, Submission, WriteQueue

__all__ = ["COLUMNS", "Row", "WriteOutcome", "Writer", "WriterCounts"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class WriterCounts:
    """What a writer has done since it started."""

    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    failed: int = 0
    writes: int = 0


class Writer:
    """Writes events exactly once, in batches over `connections` connections.

    While a write is under way events gather, and the next write takes all of them up to a bound. Run `run` as a task;
    `write` may be called before it runs.
    """

    def __init__(
        self,
        database: Database,
        partitions: Partitions,
        *,
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
        self._stores = [BatchStore(database, partitions) for _ in range(connections)]
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

    async def write(self, rows: Sequence[Row], *, size_bytes: int, wait: bool) -> list[WriteOutcome]:
        """Write rows and return, after the commit, one outcome for each, in order.

        A caller who is cancelled takes back rows that are not being written yet; the others are written all the same.

        Args:
            rows: events in the order of COLUMNS.
            size_bytes: roughly what they hold in memory, for the queue's bound.
            wait: whether to wait for room in a full queue.

        Raises:
            WriterFullError: the queue is full, and the caller does not wait.
            StorageUnavailableError: the database stayed away, or the writer has stopped.
            StorageRefusedError: the database refuses this service.
        """
        if not rows:
            return []
        submission = Submission(rows, size_bytes)
        await self._queue.put(submission, wait=wait)
        try:
            outcomes: list[WriteOutcome] = await submission.outcomes
        except asyncio.CancelledError:
            self._queue.withdraw(submission)
            raise
        return outcomes

    async def run(self) -> None:
        """Write until `stop` is called and all that was submitted before is settled.

        When it is cancelled instead, callers who still wait get a StorageUnavailableError.
        """
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for store in self._stores:
                    tasks.create_task(self._write_batches(store))
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

    async def _write_batches(self, store: BatchStore) -> None:
        try:
            while batch := await self._queue.take():
                await self._write_batch(store, batch)
        finally:
            await store.close()

    async def _write_batch(self, store: BatchStore, batch: list[Submission]) -> None:
        """Write one batch and settle its submissions, whatever happens."""
        started_at_s = asyncio.get_running_loop().time()
        unique = {row[EVENT_ID]: row for submission in reversed(batch) for row in reversed(submission.rows)}
        try:
            stored = await store.store(list(unique.values()))
        except StorageError as exc:
            self._fail(batch, exc)
            return
        except Exception:
            log.exception("write_failed", rows=len(unique))
            self._fail(batch, StorageError("the database does not take this write; the server's log tells why"))
            return
        except BaseException:
            self._fail(batch, StorageUnavailableError(STOPPED))
            raise
        self._settle(batch, stored)
        self.counts.writes += 1
        log.debug(
            "batch_written", rows=len(unique), ms=round((asyncio.get_running_loop().time() - started_at_s) * 1000, 1)
        )

    def _settle(self, batch: list[Submission], stored: StoredBatch) -> None:
        """Answer every submission. Of rows that share an id the first one is stored, and the others are duplicates."""
        total = sum(len(submission.rows) for submission in batch)
        if len(stored.stored) == total:
            for submission in batch:
                if not submission.outcomes.done():
                    submission.outcomes.set_result([WriteOutcome.STORED] * len(submission.rows))
            self.counts.stored += total
            return
        seen: set[str] = set()
        for submission in batch:
            outcomes = []
            for row in submission.rows:
                outcome = stored.outcome_of(row[EVENT_ID])
                if outcome is WriteOutcome.STORED and row[EVENT_ID] in seen:
                    outcome = WriteOutcome.DUPLICATE
                seen.add(row[EVENT_ID])
                outcomes.append(outcome)
            self._count(outcomes)
            if not submission.outcomes.done():
                submission.outcomes.set_result(outcomes)

    def _fail(self, batch: Sequence[Submission], error: StorageError) -> None:
        for submission in batch:
            self.counts.failed += len(submission.rows)
            if not submission.outcomes.done():
                # An error of each caller's own: a traceback grows wherever it is raised.
                submission.outcomes.set_exception(copy(error))
                submission.outcomes.exception()  # a caller who has gone away leaves nobody to retrieve it

    def _count(self, outcomes: list[WriteOutcome]) -> None:
        self.counts.stored += outcomes.count(WriteOutcome.STORED)
        self.counts.duplicates += outcomes.count(WriteOutcome.DUPLICATE)
        self.counts.refused += outcomes.count(WriteOutcome.REFUSED)
