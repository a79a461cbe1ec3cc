"""The desk: whose turn it is."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import cast

import pytest

from server.reports import desk
from server.reports.desk import ReportDesk
from server.reports.errors import ReportsBusyError
from storage.segments.snapshot import EventReader, EventSnapshot


class OpenReader:
    """A reader whose snapshots hold nothing."""

    async def ask(self, report: Callable[[None], Awaitable[str]], timeout_s: float, *, also: None) -> str:
        """Run a report; `timeout_s` is never over."""
        assert timeout_s > 0
        assert also is None
        return await report(None)


def make_desk(concurrent: int) -> ReportDesk:
    """Make a desk that needs no database."""
    return ReportDesk(cast("EventReader", OpenReader()), now=lambda: datetime.now(UTC), concurrent=concurrent)


async def test_a_place_is_given_back_however_a_report_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered, failed or cancelled: the next one finds its place; light reports never wait for one."""
    monkeypatch.setattr(desk, "TURN_WAIT_S", 0.01)
    place = make_desk(1)
    started = asyncio.Event()

    async def answers(_snapshot: EventSnapshot, question: str, _now: datetime) -> str:
        return question

    async def fails(_snapshot: EventSnapshot, _question: str, _now: datetime) -> str:
        raise ZeroDivisionError

    async def hangs(_snapshot: EventSnapshot, question: str, _now: datetime) -> str:
        started.set()
        await asyncio.Event().wait()
        return question

    assert await place.answer(answers, "one", remaining_s=None, heavy=True) == "one"
    with pytest.raises(ZeroDivisionError):
        await place.answer(fails, "two", remaining_s=None, heavy=True)
    task = asyncio.create_task(place.answer(hangs, "three", remaining_s=None, heavy=True))
    await started.wait()
    with pytest.raises(ReportsBusyError, match="ANALYTICS_REPORTS_CONCURRENT"):
        await place.answer(answers, "four", remaining_s=None, heavy=True)
    assert await place.answer(answers, "five", remaining_s=None) == "five"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await place.answer(answers, "six", remaining_s=5.0, heavy=True) == "six"
