"""Folds, compactions, rebuilds and ageing of summaries, cut off before every few statements: each event counts once.

The model test kills processes at some of these points; here, in the database's eyes, a process dies at most of them.
"""

import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from storage.postgres.database import Connection
from storage.postgres.errors import StorageUnavailableError
from storage.summaries import folding
from storage.summaries.periods import DAY
from tests.integration.summary_stage import MIDNIGHT, SummaryStage
from tests.rows import NOON, make_row

STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval", "executemany", "copy_records_to_table")
Work = Callable[[SummaryStage], Awaitable[object]]


async def fold(stage: SummaryStage) -> object:
    """Seal, and merge what is not summarised."""
    return await stage.fold()


async def compact(stage: SummaryStage) -> object:
    """Fold, and put the parts together."""
    await stage.fold()
    return await stage.keeper.compact()


async def rebuild(stage: SummaryStage) -> object:
    """Make a day anew."""
    return await stage.rebuild(MIDNIGHT, MIDNIGHT + DAY)


async def age(stage: SummaryStage) -> None:
    """Let raw events, hours and days go, so that only weeks and months are left."""
    await stage.purge(MIDNIGHT + DAY, MIDNIGHT + DAY, MIDNIGHT + DAY)


async def runs_to_the_end(stage: SummaryStage, work: Work, statement: int) -> bool:
    """Do something until before a statement (from 1), where all connections break; tell whether it has so many."""
    left = statement

    def doom(original: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def run(connection: Any, *arguments: Any, **options: Any) -> object:
            nonlocal left
            left -= 1
            if left <= 0:
                connection.terminate()
                raise asyncpg.ConnectionDoesNotExistError("cut off")
            return await original(connection, *arguments, **options)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in STATEMENTS:
            patch.setattr(asyncpg.Connection, name, doom(getattr(asyncpg.Connection, name)))
        try:
            await work(stage)
        except StorageUnavailableError:
            return False
    return left > 0


async def count(sql: Connection) -> int:
    """Count all events that summaries know of, and those that are not summarised yet."""
    counted: int = await sql.fetchval(
        "SELECT (SELECT coalesce(sum(count), 0) FROM analytics_aggregations WHERE timeframe = 'month')::int "
        "+ (SELECT coalesce(sum(rows), 0) FROM analytics_blocks)::int "
        "+ (SELECT coalesce(sum(rows), 0) FROM analytics_segments WHERE state = 'live' AND NOT is_summarised)::int"
    )
    return counted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "step", "least_points"), [(fold, 2, 20), (compact, 2, 24), (rebuild, 5, 30), (age, 3, 30)]
)
async def test_a_crash_between_statements_loses_nothing(
    stage: SummaryStage, sql: Connection, monkeypatch: pytest.MonkeyPatch, work: Work, step: int, least_points: int
) -> None:
    """All events count right after it, and once a second run has finished; each time some more have come."""
    monkeypatch.setattr(folding, "MANY_PARTS", 2)
    stored = 0
    for statement in itertools.count(1, step):
        await stage.store(make_row(), make_row(timestamp=NOON + 40 * DAY + timedelta(minutes=statement)))
        stored += 2
        if work is rebuild:  # of one segment each time, or there would be more statements from turn to turn
            await stage.fold()
            await stage.merge_all()
        is_done = await runs_to_the_end(stage, work, statement)
        assert await count(sql) == stored, statement
        assert not await stage.differences(), statement
        await work(stage)
        assert await count(sql) == stored, statement
        if is_done:
            break
    assert statement > least_points
    assert not await stage.differences()
