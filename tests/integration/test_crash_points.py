"""Days and rollups that age out, cut off before every other statement: nothing is lost or counted twice.

The model test kills processes at some of these points; here, in the database's eyes, a process dies at half of them.
"""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.rollups import close_day, drop_hours_and_days, verify
from tests.integration.folded import EVER, purge, store
from tests.rows import NOON, make_row

STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval", "executemany", "copy_records_to_table")
LEAST_POINTS = 12
"""Fewer would mean that the test has lost sight of the statements."""
STEP = 2
"""What must be done together is three statements or more."""
Work = Callable[[Database], Awaitable[object]]


async def close(database: Database) -> object:
    """Freeze the hours of the day, which is folded by the way."""
    return await close_day(database, NOON.date(), NOON)


async def drop(database: Database) -> object:
    """Let hours and days go, so that only weeks and months are left."""
    return await drop_hours_and_days(database, hours_before=EVER[1], days_before=EVER[1])


async def runs_to_the_end(database: Database, work: Work, statement: int) -> bool:
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
            await work(database)
        except StorageUnavailableError:
            return False
    return left > 0


async def count(sql: Connection) -> int:
    """Count all events that rollups and deltas know of."""
    counted: int = await sql.fetchval(
        "SELECT (SELECT coalesce(sum(count), 0) FROM analytics_aggregations WHERE timeframe = 'month')::int "
        "+ (SELECT coalesce(sum(count), 0) FROM analytics_aggregation_deltas)::int"
    )
    return counted


@pytest.mark.parametrize("work", [close, pytest.param(drop, marks=pytest.mark.slow)])
async def test_a_crash_between_statements_loses_nothing(database: Database, sql: Connection, work: Work) -> None:
    """All events count right after it, and once a second run has finished; each time a late one has come."""
    for stored, statement in enumerate(itertools.count(1, STEP), start=1):
        await store(database, make_row())
        if work is drop:
            await purge(database, sql, NOON)
        is_done = await runs_to_the_end(database, work, statement)
        assert await count(sql) == stored, statement
        await work(database)
        assert await count(sql) == stored, statement
        if work is close:
            await purge(database, sql, NOON)
        if is_done:
            break
    assert statement > LEAST_POINTS
    assert (await verify(database, *EVER)).differences == []
