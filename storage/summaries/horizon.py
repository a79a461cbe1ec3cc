"""The horizon: from when on there are all raw events, all hours and all days. Before it, some have aged out.

It moves only when something goes: a database from which nothing was deleted knows everything, however long ago.
Its one row is also what everybody locks who changes summaries, so that changes take turns. They are short, and nobody
who stores or reads events waits for them.
"""

from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Connection, Database, PooledConnection
from storage.postgres.errors import translated
from storage.postgres.statements import statements_of
from storage.summaries.periods import Period, Timeframe

statement = statements_of("storage.summaries")


@dataclass(frozen=True, slots=True)
class Horizon:
    """From when on there is everything.

    Attributes:
        raw_from: raw events; earlier ones may be gone, while summaries still count them.
        hours_from: summaries of hours; earlier ones are dropped, and counted in longer ones.
        days_from: summaries of days. Those of weeks and months stay for good.
        folds: how often the summaries have changed.
    """

    raw_from: datetime
    hours_from: datetime
    days_from: datetime
    folds: int

    def keeps(self, period: Period) -> bool:
        """Tell whether there is a summary of a period, if anything happened in it."""
        if period.timeframe is Timeframe.HOUR:
            return period.start >= self.hours_from
        return period.timeframe is not Timeframe.DAY or period.start >= self.days_from


@dataclass(frozen=True, slots=True)
class Dropped:
    """What has been dropped of one timeframe: aggregations, and the bytes of summaries and aggregations."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class DroppedPeriods:
    """What has been dropped."""

    hours: Dropped = Dropped()
    days: Dropped = Dropped()


async def read_horizon(connection: "Connection | PooledConnection") -> Horizon:
    """Read the horizon."""
    row = await connection.fetchrow(statement("read_horizon"))
    assert row is not None  # noqa: S101 - a migrated database has this row
    return Horizon(*row)


async def lock_horizon(connection: Connection) -> Horizon:
    """Wait until nobody else changes summaries, keep everybody else from it until the transaction ends, and read it."""
    row = await connection.fetchrow(statement("lock_horizon"))
    assert row is not None  # noqa: S101 - a migrated database has this row
    return Horizon(*row)


async def announce_ageing(database: Database, before: datetime) -> None:
    """Tell readers that raw events before a time are about to go; called before any of them does, if there are any.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            await connection.execute(statement("raise_horizon"), before, None, None)
    finally:
        connection.terminate()


async def drop_periods(
    database: Database, *, hours_before: datetime | None, days_before: datetime | None
) -> DroppedPeriods:
    """Drop hours and days before these midnights, None keeps all; idempotent. Weeks, months and first sights stay.

    What late events add from then on to what is dropped is only in longer periods. Where there was nothing to drop,
    the horizon stays: the summaries have everything.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            async with connection.transaction():
                await lock_horizon(connection)
                hours = await _about(connection, "drop_periods", Timeframe.HOUR, hours_before)
                days = await _about(connection, "drop_periods", Timeframe.DAY, days_before)
                await connection.execute(
                    statement("raise_horizon"),
                    None,
                    hours_before if hours.bytes else None,
                    days_before if days.bytes else None,
                )
                return DroppedPeriods(hours, days)
    finally:
        connection.terminate()


async def survey_periods(
    database: Database, *, hours_before: datetime | None, days_before: datetime | None
) -> DroppedPeriods:
    """Tell what `drop_periods` would drop.

    Raises:
        StorageUnavailableError: the database is away.
    """
    connection = await database.connect_writer()
    try:
        with translated():
            return DroppedPeriods(
                await _about(connection, "count_periods", Timeframe.HOUR, hours_before),
                await _about(connection, "count_periods", Timeframe.DAY, days_before),
            )
    finally:
        connection.terminate()


async def _about(connection: Connection, name: str, timeframe: Timeframe, before: datetime | None) -> Dropped:
    if before is None:
        return Dropped()
    row = await connection.fetchrow(statement(name), timeframe.value, before)
    assert row is not None  # noqa: S101 - the statement always answers one row
    return Dropped(*row)
