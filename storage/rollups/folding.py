"""The fold: brings rollups up to date with the raw events of the hours that changed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Connection, Database
from storage.postgres.lease import leased_connection
from storage.rollups.first_sights import see_actors
from storage.rollups.periods import DAY, Timeframe, hours_between, spans_of
from storage.rollups.raw.raw_events import read_events
from storage.rollups.totals import Totals, replace_rollups, sources_of, sum_rollups
from storage.sql import statement

LEASE = "rollups"
"""Who changes rollups holds it: folds, purges and rebuilds take turns."""
LEASE_WAIT_S = 60.0
"""Folds are short; who waits longer waits for a rebuild, and had better try again later."""
HOURS_PER_FOLD = 24 * 31
DAYS_PER_REBUILD = 31
"""Bound a transaction's time and memory: what an import of years has touched is folded month by month."""
WORK_MEM = "64MB"
"""The sketches of a day are 400,000 groups: with less, Postgres sorts them on disk."""


@dataclass(frozen=True, slots=True)
class FoldReport:
    """What was folded.

    Attributes:
        hours: how many hours were brought up to date.
        events: how many events, net of removed ones, were new in them.
        start, end: the first moment of the first of these hours, and the first after the last; None without any.
    """

    hours: int = 0
    events: int = 0
    start: datetime | None = None
    end: datetime | None = None


@asynccontextmanager
async def exclusive_rollups(database: Database) -> AsyncIterator[Connection]:
    """Yield a connection whose transactions are the only ones that change rollups.

    Raises:
        LeaseTakenError: another process has been changing them for LEASE_WAIT_S.
        StorageUnavailableError: the database is away.
    """
    async with leased_connection(database, LEASE, wait_s=LEASE_WAIT_S) as connection:
        await connection.execute(f"SET work_mem = '{WORK_MEM}'")
        # Compiling a plan takes longer than running it over a day.
        await connection.execute("SET jit = off")
        # Hours are few of many partitions: each statement wants a plan for its values.
        await connection.execute("SET plan_cache_mode = force_custom_plan")
        yield connection


async def fold(database: Database) -> FoldReport:
    """Fold all deltas: recompute the hours that they name, and the days, weeks and months of these hours.

    Each transaction sees deltas and raw rows in one snapshot, and deletes exactly the deltas that it saw: what is
    committed meanwhile leaves a delta for the next fold. Killed anywhere, it has done some of the hours or none.

    Raises:
        LeaseTakenError: another process has been changing rollups for LEASE_WAIT_S.
        StorageUnavailableError: the database is away.
    """
    async with exclusive_rollups(database) as connection:
        return await fold_on(connection)


async def fold_on(connection: Connection) -> FoldReport:
    """Fold all deltas on a connection of `exclusive_rollups`."""
    hours: list[datetime] = []
    events = 0
    while True:
        async with connection.transaction(isolation="repeatable_read"):
            taken = await connection.fetch(statement("rollup/take_deltas"), HOURS_PER_FOLD)
            changed = [row["hour"] for row in taken]
            await _refresh(connection, changed)
        hours += changed
        events += sum(row["count"] for row in taken)
        if len(changed) < HOURS_PER_FOLD:
            break
    if not hours:
        return FoldReport()
    return FoldReport(len(set(hours)), events, min(hours), Timeframe.HOUR.end_of(max(hours)))


async def rebuild(database: Database, start: datetime, end: datetime) -> FoldReport:
    """Recompute the rollups of the days that [start, end) touches from raw events, whether or not they changed.

    What has aged out of the raw events is frozen and stays. Deltas of these hours are folded by the way.

    Raises:
        LeaseTakenError: another process has been changing rollups for LEASE_WAIT_S.
        StorageUnavailableError: the database is away.
    """
    first, last = whole_days(start, end)
    count = 0
    async with exclusive_rollups(database) as connection:
        days = await read_open_days(connection, first, last)
        for begin in range(0, len(days), DAYS_PER_REBUILD):
            part = days[begin : begin + DAYS_PER_REBUILD]
            hours = [hour for day in part for hour in hours_between(day, day + DAY)]
            async with connection.transaction(isolation="repeatable_read"):
                # What they tell is in the raw rows of this snapshot.
                await connection.execute(statement("rollup/drop_deltas"), hours)
                await _refresh(connection, hours)
            count += len(hours)
    return FoldReport(count, 0, first, last)


def whole_days(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Widen [start, end) to midnights."""
    last = Timeframe.DAY.start_of(end)
    return Timeframe.DAY.start_of(start), last if last == end else last + DAY


async def read_open_days(connection: Connection, start: datetime, end: datetime) -> list[datetime]:
    """List the days between two midnights whose rollups can be made anew: those with a partition that is not closed."""
    return [row["time"] for row in await connection.fetch(statement("rollup/days"), start, end)]


async def _refresh(connection: Connection, hours: Sequence[datetime]) -> None:
    """Recompute the live rollups of these ascending hours and of the longer periods that hold one, and first sights."""
    if not hours:
        return
    totals = Totals()
    for start, end in spans_of(hours):
        totals.update(await read_events(connection, hours_between(start, end)))
    await replace_rollups(connection, Timeframe.HOUR, hours, totals, frozen=False)
    await see_actors(connection, hours)
    await refresh_longer(connection, hours, (Timeframe.DAY, Timeframe.WEEK, Timeframe.MONTH))


async def refresh_longer(connection: Connection, moments: Sequence[datetime], timeframes: Sequence[Timeframe]) -> None:
    """Recompute the live rollups of the longer periods that hold any of these moments, from their parts."""
    for timeframe in timeframes:
        periods = timeframe.periods_of(moments)
        totals = await sum_rollups(connection, sources_of(timeframe, periods))
        await replace_rollups(connection, timeframe, periods, totals, frozen=False)
