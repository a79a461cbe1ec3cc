"""The spool: where accepted events wait, synced to disk, while Postgres is away."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

from storage.spool.aside import SetAside, read_aside, remove_aside
from storage.spool.errors import SpoolUnwritableError
from storage.spool.folder import SpoolFigures, SpoolFolder
from storage.spool.portion import Portion
from storage.spool.segment import SpoolSegment
from storage.write.batch import Batch

MAX_EVENTS_PER_DRAIN = 5_000
"""Events that are stored in one transaction while draining: the writer's own batches are about as large."""
CLOSED = "this server is stopping: send the same events again"
UNREADABLE = "the spool cannot be read now"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """What waits longest.

    Attributes:
        batch: one appended batch, if it was tried against Postgres before, under the identity of then; else several,
            merged, under (segment, position of the last). The same groups always come under the same identity, so a
            transaction that finds it in the ledger knows that all of this is stored.
        segment_id: where it lies.
        through: the position of its last group there.
    """

    batch: Batch
    segment_id: str
    through: int


@dataclass(frozen=True, slots=True)
class SpoolPending:
    """What waits in our own segment and in those adopted.

    Attributes:
        events: rows and rejections.
        bytes: what they take, without what describes them.
    """

    events: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Outstanding:
    """A batch that was handed out, and where it came from."""

    spooled: SpooledBatch
    segment: SpoolSegment
    portion: Portion


class Spool:
    """Takes batches while Postgres is away, and gives them back, oldest first, when it is there again.

    Every process has a segment of its own, and drains those of processes that have died. All work is done in one
    thread. Appends that arrive while a commit is under way are committed together by the next one.

    Args of the constructor:
        folder: the spool of all processes with this data directory; made where missing.
        max_bytes: the bound of all files in it. Two processes that append in the same moment may each add one commit.

    Example:
        >>> await spool.append(batch)  # durable
        >>> while spooled := await spool.next_batch():
        ...     await block_store.store(spooled.batch)
        ...     await spool.remove(spooled)
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = SpoolFolder(folder, max_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._lock = Lock()
        self._waiting: list[tuple[Batch, Future[None]]] = []
        self._outstanding: _Outstanding | None = None
        self._is_closed = False
        self._figures = SpoolFigures()

    @property
    def pending(self) -> SpoolPending:
        """What waits in our own segment and in those adopted; kept in memory."""
        return SpoolPending(self._figures.pending_events, self._figures.pending_bytes)

    @property
    def has_room(self) -> bool:
        """Whether an append is likely to succeed, as of the last use of the spool."""
        return self._figures.has_room and not self._is_closed

    @property
    def damaged_groups(self) -> int:
        """How many appended batches were found lost in damaged files since the start."""
        return self._figures.damaged_groups

    async def refresh(self) -> None:
        """Adopt what dead owners have left, and look how much room there is; never fails.

        Call it at the start and every few seconds: other processes fill and drain the folder too, and after a failed
        write nothing else finds out that the disk takes something again.
        """
        await self._do(self._folder.refresh)

    async def append(self, batch: Batch) -> None:
        """Write a batch to disk; it is durable on return.

        A caller who is cancelled does not know whether it is, as after a lost connection.

        Raises:
            SpoolFullError: it does not fit.
            SpoolUnwritableError: the disk does not take it. As with the other, nothing of it stays.
        """
        if self._is_closed:
            raise SpoolUnwritableError(CLOSED)
        done: Future[None] = Future()
        with self._lock:
            self._waiting.append((batch, done))
            is_first = len(self._waiting) == 1
        if is_first:
            self._thread.submit(copy_context().run, self._commit_waiting)
        await asyncio.wrap_future(done)

    async def next_batch(self, *, max_events: int = MAX_EVENTS_PER_DRAIN) -> SpooledBatch | None:
        """Get what waits longest, or None when nothing does; the same again until it is removed.

        Args:
            max_events: how many events are merged, at most; one appended batch is never split.

        Raises:
            SpoolUnwritableError: a file cannot be read at this moment.
        """
        return await self._do(lambda: self._next_batch(max_events))

    async def remove(self, spooled: SpooledBatch) -> None:
        """Forget a batch that is stored; nothing happens when that was done before.

        Raises:
            SpoolUnwritableError: the disk takes no changes; call it again.
        """
        await self._do(lambda: self._remove(spooled))

    async def split(self, spooled: SpooledBatch) -> bool:
        """Hand out the groups of a merged batch one by one from now on, where it has several; return whether it has.

        Only for a batch that Postgres has not committed. Ask for `next_batch(max_events=1)` then.

        Args:
            spooled: what `next_batch` handed out last.

        Raises:
            SpoolUnwritableError: the disk takes no changes.
        """
        return await self._do(lambda: self._split(spooled))

    async def set_aside(self, spooled: SpooledBatch, error: str) -> str:
        """Move a batch that Postgres does not take out of the way of what is behind it; return the name of its file.

        It counts as set aside, and no longer as spooled, until somebody puts it back.

        Args:
            spooled: what `next_batch` handed out last.
            error: why, as the type of the error and its SQLSTATE.

        Raises:
            SpoolUnwritableError: the disk takes no changes; call it again.
        """
        return await self._do(lambda: self._set_aside(spooled, error))

    async def close(self) -> None:
        """Finish the appends under way, and leave the rest to the next process."""
        if not self._is_closed:
            self._is_closed = True
            await self._do(self._folder.close)
            self._thread.shutdown()

    async def _do(self, work: Callable[[], _T]) -> _T:
        def run() -> _T:
            try:
                return work()
            finally:
                self._figures = self._folder.figures()

        return await asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, run)

    def _next_batch(self, max_events: int) -> SpooledBatch | None:
        if self._outstanding is None:
            try:
                found = self._folder.next_portion(max_events)
            except OSError as exc:
                raise SpoolUnwritableError(UNREADABLE) from exc
            if found is None:
                return None
            segment, portion = found
            spooled = SpooledBatch(portion.batch, segment.segment_id, portion.through)
            self._outstanding = _Outstanding(spooled, segment, portion)
        return self._outstanding.spooled

    def _remove(self, spooled: SpooledBatch) -> None:
        if self._outstanding is not None and self._outstanding.spooled is spooled:
            self._folder.remove(self._outstanding.segment, self._outstanding.portion)
            self._outstanding = None

    def _split(self, spooled: SpooledBatch) -> bool:
        outstanding = self._handed_out(spooled)
        if outstanding.portion.first == outstanding.portion.through:
            return False
        try:
            outstanding.segment.split()
        except OSError as exc:
            raise SpoolUnwritableError(UNREADABLE) from exc
        self._outstanding = None
        return True

    def _handed_out(self, spooled: SpooledBatch) -> _Outstanding:
        if self._outstanding is None or self._outstanding.spooled is not spooled:
            raise ValueError("this is not the batch that was handed out last")
        return self._outstanding

    def _set_aside(self, spooled: SpooledBatch, error: str) -> str:
        outstanding = self._handed_out(spooled)
        path = self._folder.set_aside(outstanding.segment, outstanding.portion, error)
        self._outstanding = None
        return path.stem

    def _commit_waiting(self) -> None:
        """Commit all that waits by now; runs in the thread."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        # A caller who has gone away by now takes its batch back.
        taken = [(batch, done) for batch, done in taken if done.set_running_or_notify_cancel()]
        if not taken:
            return
        try:
            results = self._folder.append([batch for batch, _ in taken])
        except BaseException as exc:
            for _, done in taken:
                done.set_exception(exc)
            raise
        self._figures = self._folder.figures()
        for (_, done), error in zip(taken, results, strict=True):
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)


async def put_back(folder: Path, aside: SetAside) -> None:
    """Put what was set aside back into the spool, from where a service on the same data directory stores it.

    Cut off at any moment and done again, it is stored once.

    Raises:
        SpoolUnwritableError: the disk does not take it; it stays where it is.
        DamagedGroupError: its file is not what was written.
        OSError: the file is not there any more, or cannot be read.
    """
    batch = read_aside(aside)
    # It took up room of the spool where it was, so it cannot be too much.
    spool = Spool(folder, max_bytes=sys.maxsize)
    try:
        await spool.append(batch)
    finally:
        await spool.close()
    remove_aside(aside)
