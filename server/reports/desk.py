"""The desk: takes a question, finds the time and the rows for it, and returns the response."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from server.reports.errors import ReportsBusyError
from storage.segments.snapshot import Also, EventReader, EventSnapshot

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

MAX_REPORT_S = 30.0
"""The longest a report may take, whatever the caller's deadline."""
LIGHT_REPORTS = 2
"""How many light reports run at once: each may decode a row group of half a million events."""
DASHBOARDS = 2
"""How many dashboards run at once: they take milliseconds, and do not wait for reports that take seconds."""
TURN_WAIT_S = 2.0
"""How long a heavy report waits for its turn: enough for the reports of one page; a flood is refused."""
ANSWER_MARGIN_S = 0.05
"""Time kept for the response's way back, so that the caller learns of a timeout instead of guessing it."""


class ReportDesk:
    """Runs reports, each on one consistent snapshot of the rows and within its caller's deadline.

    Few run at once: beside each other they would only be slower, and hold memory for it. Light ones have places of
    their own, so that a page of events never waits for a funnel.
    """

    def __init__(self, reader: EventReader, *, now: Callable[[], datetime], concurrent: int) -> None:
        """Make a desk.

        Args:
            reader: what to read from.
            now: returns the current UTC time.
            concurrent: how many heavy reports may run at once.
        """
        self._reader = reader
        self._now = now
        self._heavy = asyncio.Semaphore(concurrent)
        self._light = asyncio.Semaphore(LIGHT_REPORTS)
        self._dashboards = asyncio.Semaphore(DASHBOARDS)

    async def answer(
        self,
        report: Callable[[EventSnapshot, QuestionT, datetime], Awaitable[AnswerT]],
        question: QuestionT,
        *,
        remaining_s: float | None,
        heavy: bool = False,
        also: Also | None = None,
    ) -> AnswerT:
        """Return a question.

        Args:
            report: a report module's `answer`; it runs again where segments were swept before it could read them.
            question: its request.
            remaining_s: what is left of the caller's deadline; None where it has none.
            heavy: whether it reads a share of all events, and is refused where it would wait long for its turn.
            also: reads something else in the transaction of the snapshot.

        Raises:
            QuestionError: the question makes no sense.
            ReportsBusyError: too many reports are under way.
            StorageTimeoutError: the time was over before the response was there.
            StorageUnavailableError: the database is unavailable.
        """
        timeout_s = _timeout_s(remaining_s)
        places, wait_s = (self._heavy, min(TURN_WAIT_S, timeout_s)) if heavy else (self._light, timeout_s)
        async with _turn(places, wait_s, timeout_s) as left_s:
            return await self._reader.ask(lambda snapshot: report(snapshot, question, self._now()), left_s, also=also)

    async def answer_dashboard(
        self,
        report: Callable[[QuestionT, datetime, float], Awaitable[AnswerT]],
        question: QuestionT,
        *,
        remaining_s: float | None,
        heavy: bool,
    ) -> AnswerT:
        """Return a dashboard, which takes snapshots by itself.

        Args:
            report: takes the question, the time and how many seconds it has.
            question: its request.
            remaining_s: as in `answer`.
            heavy: whether it reads all events of its range, and takes the place of a heavy report.

        Raises:
            QuestionError, ReportsBusyError, StorageTimeoutError, StorageUnavailableError: as `answer`.
        """
        timeout_s = _timeout_s(remaining_s)
        places = self._heavy if heavy else self._dashboards
        async with _turn(places, min(TURN_WAIT_S, timeout_s), timeout_s) as left_s:
            return await report(question, self._now(), left_s)


def _timeout_s(remaining_s: float | None) -> float:
    return MAX_REPORT_S if remaining_s is None else min(MAX_REPORT_S, remaining_s - ANSWER_MARGIN_S)


@asynccontextmanager
async def _turn(places: asyncio.Semaphore, wait_s: float, timeout_s: float) -> AsyncIterator[float]:
    """Wait for a place, and tell how many seconds are left then."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    try:
        async with asyncio.timeout(max(wait_s, 0)):
            await places.acquire()
    except TimeoutError:
        raise ReportsBusyError from None
    try:
        yield max(deadline - loop.time(), 0.001)
    finally:
        places.release()
