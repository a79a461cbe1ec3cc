"""The desk: takes a question, finds the time and the rows for it, and returns the response."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from typing import TypeVar

from server.reports.errors import ReportsBusyError
from storage.postgres.reader import Reader, Snapshot

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

MAX_REPORT_S = 30.0
"""The longest a report may take, whatever the caller's deadline."""
TURN_WAIT_S = 2.0
"""How long a heavy report waits for its turn: enough for the reports of one page; a flood is refused."""
ANSWER_MARGIN_S = 0.05
"""Time kept for the response's way back, so that the caller learns of a timeout instead of guessing it."""


class ReportDesk:
    """Runs reports, each on one consistent snapshot of the rows and within its caller's deadline.

    Few heavy ones run at once: beside each other they would only be slower, and hold connections and memory for it.
    """

    def __init__(self, reader: Reader, *, now: Callable[[], datetime], concurrent: int) -> None:
        """Make a desk.

        Args:
            reader: what to read from.
            now: returns the current UTC time.
            concurrent: how many heavy reports may run at once.
        """
        self._reader = reader
        self._now = now
        self._places = asyncio.Semaphore(concurrent)

    async def answer(
        self,
        report: Callable[[Snapshot, QuestionT, datetime], Awaitable[AnswerT]],
        question: QuestionT,
        *,
        remaining_s: float | None,
        heavy: bool = False,
    ) -> AnswerT:
        """Return a question.

        Args:
            report: a report module's `answer`.
            question: its request.
            remaining_s: what is left of the caller's deadline; None where it has none.
            heavy: whether it reads a share of all events, and waits for its turn.

        Raises:
            QuestionError: the question makes no sense.
            ReportsBusyError: too many heavy reports are under way.
            StorageTimeoutError: the time was over before the response was there.
            StorageUnavailableError: the database is unavailable.
        """
        timeout_s = MAX_REPORT_S if remaining_s is None else min(MAX_REPORT_S, remaining_s - ANSWER_MARGIN_S)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        async with (
            self._turn(min(TURN_WAIT_S, timeout_s)) if heavy else nullcontext(),
            self._reader.snapshot(max(deadline - loop.time(), 0.001)) as snapshot,
        ):
            return await report(snapshot, question, self._now())

    @asynccontextmanager
    async def _turn(self, wait_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(max(wait_s, 0)):
                await self._places.acquire()
        except TimeoutError:
            raise ReportsBusyError from None
        try:
            yield
        finally:
            self._places.release()
