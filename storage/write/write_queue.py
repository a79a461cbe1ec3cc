"""The write queue: bounded, first in first out, handed out in batches worth a transaction."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from storage.postgres.errors import StorageUnavailableError, WriterFullError
from storage.write.batch import Rejection, Row, WriteOutcome

MAX_EVENTS_PER_WRITE = 4_000
MAX_BYTES_PER_WRITE = 8 * 1024 * 1024
"""Bounds of one transaction: larger ones gain nothing, hold memory and locks, and keep those who come next waiting."""
SHARE_OF_CALLS = 0.5
"""How much of a transaction unary calls may fill before streams get their turn: they go first, and starve nobody."""
MAX_QUEUED_EVENTS = 50_000
MAX_QUEUED_BYTES = 32 * 1024 * 1024
"""Bounds of what waits, about half a second of work; past it streams slow down and calls are refused."""
SHARE_OF_STREAMS = 0.5
"""How much of the queue callers who wait for room may fill; the rest is for those who would be refused."""
RETRY_AFTER_S = 0.5
"""By then a full queue has been written, where the database keeps up at all."""
STOPPED = "this server is stopping: send the same events again"
COMPANY_EVENTS = 2_000
"""So many events are worth a transaction of their own at any time. Fewer, where the operator sets no triggers, wait for
the write that is under way, since many small transactions cost more than the wait."""
COMPANY_WAIT_MS = 3
COMPANY_WAIT_MS_EACH = 0.1
COMPANY_WAIT_MS_MOST = 25
"""And then for those whom it answered to come back, unless their caller is alone: so long, and longer for each of them,
since a process takes at least that to answer a call and take the next; 200 callers wait for each other anyway."""


class Submission:
    """Rows and rejections that one caller waits for; `outcomes` is resolved with one outcome a row."""

    __slots__ = ("events", "outcomes", "queued_at_s", "rejections", "rows", "size_bytes")

    def __init__(self, rows: Sequence[Row], size_bytes: int, rejections: Sequence[Rejection] = ()) -> None:
        loop = asyncio.get_running_loop()
        self.rows = rows
        self.rejections = rejections
        self.events = len(rows) + len(rejections)
        self.size_bytes = size_bytes
        self.queued_at_s = loop.time()
        self.outcomes: asyncio.Future[list[WriteOutcome]] = loop.create_future()


class WriteQueue:
    """Holds submissions until a writer takes them, in two lanes: callers who wait for room, and callers who do not.

    The first are streams, which fill every gap that there is; so that a single call does not stand behind thousands of
    their events, the calls' lane goes first.

    Args of the constructor:
        batch_size: hand out as soon as so many events wait; None for the tuned default.
        batch_interval_ms: hand out when the oldest has waited so long; None for the tuned default.
        max_events, max_bytes: bounds of what may wait.
    """

    def __init__(
        self,
        *,
        batch_size: int | None,
        batch_interval_ms: int | None,
        max_events: int = MAX_QUEUED_EVENTS,
        max_bytes: int = MAX_QUEUED_BYTES,
    ) -> None:
        # By insertion, oldest first; any one can be withdrawn at the same small cost.
        self._calls: OrderedDict[Submission, None] = OrderedDict()
        self._streams: OrderedDict[Submission, None] = OrderedDict()
        self._events = 0
        self._bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._enough_events = batch_size or COMPANY_EVENTS
        self._wait_s = (COMPANY_WAIT_MS if batch_interval_ms is None else batch_interval_ms) / 1000
        self._tuned = batch_size is None and batch_interval_ms is None
        self._writing = 0
        self._last_taken = 0
        self._company = 0
        self._closed = False
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._entrance = asyncio.Lock()
        self._taking = asyncio.Lock()

    def __len__(self) -> int:
        """Count the events that wait."""
        return self._events

    async def put(self, submission: Submission, *, wait: bool) -> None:
        """Queue a submission.

        Args:
            submission: what to write.
            wait: whether to wait for room, in the order of callers, where there is none.

        Raises:
            WriterFullError: there is no room, and the caller does not wait.
            StorageUnavailableError: the queue is closed.
        """
        if wait:
            async with self._entrance:
                while self._full(SHARE_OF_STREAMS) and not self._closed:
                    self._room.clear()
                    await self._room.wait()
                self._append(submission, self._streams)
        else:
            if self._full() and not self._closed:
                raise WriterFullError(
                    "too many events wait to be written: send this one again later, or use TrackBatch",
                    retry_after_s=RETRY_AFTER_S,
                )
            self._append(submission, self._calls)

    def withdraw(self, submission: Submission) -> None:
        """Take back a submission that nobody has taken yet; one that is being written is left alone."""
        for lane in (self._calls, self._streams):
            if submission in lane:
                del lane[submission]
                self._discount(submission)

    async def take(self) -> list[Submission]:
        """Take the next batch, within bounds; empty once the queue is closed and has run dry.

        The caller calls `done` once the batch is written.
        """
        async with self._taking:
            while True:
                while not self._waiting():
                    if self._closed:
                        return []
                    self._arrived.clear()
                    await self._arrived.wait()
                await self._wait_for_company()
                if self._waiting():  # all that was there may have been withdrawn meanwhile
                    self._writing += 1
                    return self._pop()

    def done(self) -> None:
        """Say that a batch is written, or has failed."""
        self._writing -= 1
        self._company = self._last_taken + self._waiting()
        self._enough.set()

    def take_rest(self) -> list[Submission]:
        """Take all that still waits, whatever the bounds: for the end of a writer that cannot write it."""
        rest = [*self._calls, *self._streams]
        self._calls.clear()
        self._streams.clear()
        self._events = self._bytes = 0
        return rest

    def close(self) -> None:
        """Take no more submissions, and hand out what waits without delay."""
        self._closed = True
        self._arrived.set()
        self._enough.set()
        self._room.set()

    def _waiting(self) -> int:
        """Count the submissions that wait."""
        return len(self._calls) + len(self._streams)

    def _oldest_s(self) -> float:
        """Tell when the oldest of the submissions that wait was queued."""
        return min(next(iter(lane)).queued_at_s for lane in (self._calls, self._streams) if lane)

    def _append(self, submission: Submission, lane: OrderedDict[Submission, None]) -> None:
        if self._closed:
            raise StorageUnavailableError(STOPPED)
        lane[submission] = None
        self._events += submission.events
        self._bytes += submission.size_bytes
        self._arrived.set()
        if self._is_enough() or self._company_is_here():
            self._enough.set()

    def _full(self, share: float = 1.0) -> bool:
        """Tell whether a share of the bounds is used up; an empty queue takes a submission of any size."""
        return self._events >= share * self._max_events or self._bytes >= share * self._max_bytes

    def _is_enough(self) -> bool:
        """Tell whether to write at once: enough events wait, or bytes that have streams wait for room."""
        return self._events >= self._enough_events or self._full(SHARE_OF_STREAMS)

    async def _wait_for_company(self) -> None:
        """Wait for the triggers."""
        if self._tuned:
            while self._writing and self._is_worth_waiting():
                self._enough.clear()
                await self._enough.wait()
            if self._waiting() == 1 >= self._company:
                return  # a lone caller would only wait for himself
            wait_ms = min(COMPANY_WAIT_MS + COMPANY_WAIT_MS_EACH * self._company, COMPANY_WAIT_MS_MOST)
            until_s = asyncio.get_running_loop().time() + wait_ms / 1000
        else:
            until_s = self._oldest_s() + self._wait_s
        try:
            async with asyncio.timeout_at(until_s):
                while self._is_worth_waiting() and not (self._tuned and self._company_is_here()):
                    self._enough.clear()
                    await self._enough.wait()
        except TimeoutError:
            return

    def _company_is_here(self) -> bool:
        """Tell whether those whom the last write answered are back, beside those who waited then."""
        return 1 < self._company <= self._waiting()

    def _is_worth_waiting(self) -> bool:
        return bool(self._waiting()) and not self._is_enough() and not self._closed

    def _pop(self) -> list[Submission]:
        """Take calls for their share of a transaction, then streams, then more calls where room is left.

        The first of each lane is taken whatever its size, so that none waits indefinitely.
        """
        batch: list[Submission] = []
        events = size_bytes = 0
        turns = ((self._calls, SHARE_OF_CALLS, True), (self._streams, 1.0, True), (self._calls, 1.0, False))
        for lane, share, must in turns:
            while lane:
                submission = next(iter(lane))
                fits = (
                    events + submission.events <= share * MAX_EVENTS_PER_WRITE
                    and size_bytes + submission.size_bytes <= share * MAX_BYTES_PER_WRITE
                )
                if not (fits or must):
                    break
                must = False  # noqa: PLW2901 - true for the first only
                del lane[submission]
                self._discount(submission)
                events += submission.events
                size_bytes += submission.size_bytes
                batch.append(submission)
        self._last_taken = len(batch)
        return batch

    def _discount(self, submission: Submission) -> None:
        self._events -= submission.events
        self._bytes -= submission.size_bytes
        if not self._full(SHARE_OF_STREAMS):
            self._room.set()
