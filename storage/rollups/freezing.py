"""Freezing: what ages out stays in the rollups that it was part of.

A rollup whose parts go becomes frozen, in the transaction that lets them go: hours when their raw events do, a day when
its hours do, week and month day by day. Late events make live rollups beside it, which are summed up as always.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg
import structlog

from storage.partitions import partition_name
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.rollups.folding import exclusive_rollups, fold_on, refresh_longer
from storage.rollups.periods import DAY, Timeframe, hours_between, midnight_of
from storage.rollups.totals import Cleared, TotalsSource, clear_rollups, replace_rollups, sum_rollups
from storage.sql import statement

log = structlog.get_logger(__name__)

LOCK_WAIT = "50ms"
"""Writers of the day queue behind a lock that is waited for: this is the longest that any of them is held up by it."""
CLOSE_ATTEMPTS = 100
CLOSE_PAUSE_S = 0.2
"""Some 20 s: a day that is written to for longer, by an import, is closed by the next run."""
DAYS_PER_TRANSACTION = 31
"""Bounds a transaction's time when a shorter retention lets years go at once."""


class _UnfoldedError(Exception):
    """The day has deltas: what it holds is not in the rollups yet."""


@dataclass(frozen=True, slots=True)
class DroppedRollups:
    """Rollups that have aged out."""

    hours: Cleared
    days: Cleared


async def close_day(database: Database, day: date, now: datetime) -> int:
    """Freeze the hours of a day, let its partition take no more events, and return how many it holds; idempotent.

    From its commit on, the day's rollups stand for what its partition holds, and writers are told to try again until
    the partition is dropped. Nothing is frozen that is not folded. Where the day was closed before, 0 is returned.

    Raises:
        LeaseTakenError: another process has been changing rollups for a minute.
        StorageUnavailableError: the database is away, or the day is being written to all the time.
    """
    async with exclusive_rollups(database) as connection:
        for _ in range(CLOSE_ATTEMPTS):
            try:
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                    events = await _close(connection, day, now)
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(CLOSE_PAUSE_S)
            except _UnfoldedError:
                await fold_on(connection)
            else:
                return events
    raise StorageUnavailableError(f"events of {day} keep coming in, so its partition stays; the next run tries again")


async def drop_hours_and_days(
    database: Database, *, hours_before: datetime | None, days_before: datetime | None
) -> DroppedRollups:
    """Delete hour and day rollups before these midnights, keeping their sums in longer ones; None keeps all.

    Only days go whose parts are gone: hours without raw events, days without hours.

    Raises:
        LeaseTakenError: another process has been changing rollups for a minute.
        StorageUnavailableError: the database is away.
    """
    async with exclusive_rollups(database) as connection:
        return DroppedRollups(
            hours=await _drop(connection, Timeframe.HOUR, None, hours_before),
            days=await _drop(connection, Timeframe.DAY, Timeframe.HOUR, days_before),
        )


async def _close(connection: Connection, day: date, now: datetime) -> int:
    start = midnight_of(day)
    # Creating a trigger waits for those who write to this partition, and for nobody else.
    await connection.execute(
        f"CREATE OR REPLACE TRIGGER closed BEFORE INSERT ON {partition_name(day)} "
        "FOR EACH ROW EXECUTE FUNCTION analytics_refuse_closed_day()"
    )
    if await connection.fetch(statement("rollup/count_deltas"), start, start + DAY):
        raise _UnfoldedError
    events: int = await connection.fetchval(statement("retention/count_events"), start, start + DAY)
    await _freeze(connection, Timeframe.HOUR, hours_between(start, start + DAY))
    await connection.execute(statement("retention/close_day"), day, now)
    return events


async def _freeze(connection: Connection, timeframe: Timeframe, periods: Sequence[datetime]) -> None:
    """Make one frozen rollup of what each period has, live and frozen."""
    sources = [TotalsSource(period, timeframe, period, timeframe.end_of(period)) for period in periods]
    totals = await sum_rollups(connection, sources)
    await clear_rollups(connection, timeframe, periods, frozen=False)
    await replace_rollups(connection, timeframe, periods, totals, frozen=True)


async def _drop(
    connection: Connection, timeframe: Timeframe, parts: Timeframe | None, before: datetime | None
) -> Cleared:
    if before is None:
        return Cleared(0, 0)
    part = None if parts is None else parts.value
    days = [
        row["time"] for row in await connection.fetch(statement("retention/frozen_days"), timeframe.value, part, before)
    ]
    rows = size_bytes = 0
    for begin in range(0, len(days), DAYS_PER_TRANSACTION):
        async with connection.transaction(isolation="repeatable_read"):
            remove = _drop_hours if timeframe is Timeframe.HOUR else _drop_days
            cleared = await remove(connection, days[begin : begin + DAYS_PER_TRANSACTION])
        rows += cleared.rows
        size_bytes += cleared.bytes
    return Cleared(rows, size_bytes)


async def _drop_hours(connection: Connection, days: Sequence[datetime]) -> Cleared:
    await _freeze(connection, Timeframe.DAY, days)
    hours = [hour for day in days for hour in hours_between(day, day + DAY)]
    return await clear_rollups(connection, Timeframe.HOUR, hours, frozen=None)


async def _drop_days(connection: Connection, days: Sequence[datetime]) -> Cleared:
    longer = (Timeframe.WEEK, Timeframe.MONTH)
    for timeframe in longer:
        periods = timeframe.periods_of(days)
        sources = [TotalsSource(period, timeframe, period, timeframe.end_of(period), frozen=True) for period in periods]
        sources += [TotalsSource(timeframe.start_of(day), Timeframe.DAY, day, day + DAY) for day in days]
        await replace_rollups(connection, timeframe, periods, await sum_rollups(connection, sources), frozen=True)
    cleared = await clear_rollups(connection, Timeframe.DAY, days, frozen=None)
    await refresh_longer(connection, days, longer)
    return cleared
