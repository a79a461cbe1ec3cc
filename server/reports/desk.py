"""The desk: takes a question, finds the time and the rows for it, and returns the answer."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from storage.reader import Reader, Snapshot

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

MAX_REPORT_S = 30.0
"""The longest a report may take, whatever the caller's deadline."""
ANSWER_MARGIN_S = 0.05
"""Time kept for the answer's way back, so that the caller learns of a timeout instead of guessing it."""


class ReportDesk:
    """Runs reports, each on one consistent snapshot of the rows and within its caller's deadline."""

    def __init__(self, reader: Reader, *, now: Callable[[], datetime]) -> None:
        """Make a desk; `now` tells the current UTC time."""
        self._reader = reader
        self._now = now

    async def answer(
        self,
        report: Callable[[Snapshot, QuestionT, datetime], Awaitable[AnswerT]],
        question: QuestionT,
        *,
        remaining_s: float | None,
    ) -> AnswerT:
        """Answer a question.

        Args:
            report: a report module's `answer`.
            question: its request.
            remaining_s: what is left of the caller's deadline; None where it has none.

        Raises:
            QuestionError: the question makes no sense.
            StorageTimeoutError: the time was over before the answer was there.
            StorageUnavailableError: the database is away.
        """
        timeout_s = MAX_REPORT_S if remaining_s is None else min(MAX_REPORT_S, remaining_s - ANSWER_MARGIN_S)
        async with self._reader.snapshot(max(timeout_s, 0.001)) as snapshot:
            return await report(snapshot, question, self._now())
