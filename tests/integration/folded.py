"""What tests of rollups do to a database."""

from datetime import datetime, timedelta
from typing import Any

from storage.partitions import day_of
from storage.postgres.database import Connection, Database
from storage.rollups import close_day
from tests.rows import NOON, make_batch, make_store

EVER = (NOON - timedelta(days=41), NOON + timedelta(days=40))
"""All that a test writes lies in it."""


async def store(database: Database, *rows: Any) -> None:
    """Write rows as a batch."""
    store = make_store(database)
    try:
        await store.store(make_batch(rows))
    finally:
        await store.close()


async def purge(database: Database, sql: Connection, moment: datetime) -> None:
    """Close the day of a moment and drop its partition."""
    day = day_of(moment)
    await close_day(database, day, NOON)
    await sql.execute(f"DROP TABLE analytics_events_{day:%Y%m%d}")
    await sql.execute("DELETE FROM analytics_closed_days")
