"""Reports that nobody waits for any more: they end with the table that they are at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from server.reports import cohort, funnel, retention
from storage.segments.scopes import EventScope
from tests.event_tables import TableSnapshot, make_table
from tests.report_questions import COHORT, FUNNEL, RETENTION
from tests.rows import NOON, make_row


class EndlessSnapshot(TableSnapshot):
    """A snapshot of so many events that no report ever reaches their end."""

    def __init__(self) -> None:
        self._event = make_table([make_row(timestamp=NOON - timedelta(days=2))])
        super().__init__(self._event, 1)
        self.is_under_way = asyncio.Event()

    async def by_actor(self, scope: EventScope) -> AsyncIterator[pa.Table]:
        """Yield a table again and again."""
        while True:
            yield scope.select(self._event)
            self.is_under_way.set()


@pytest.mark.parametrize(
    ("answer", "question"),
    [(cohort.answer, COHORT.asked()), (funnel.answer, FUNNEL.asked()), (retention.answer, RETENTION.asked())],
    ids=["cohort", "funnel", "retention"],
)
async def test_a_cancelled_report_reads_no_further_table(answer: Callable[..., Awaitable[Any]], question: Any) -> None:
    """However many events are left."""
    snapshot = EndlessSnapshot()
    asking = asyncio.ensure_future(answer(snapshot, question, NOON))
    async with asyncio.timeout(20):
        await snapshot.is_under_way.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
