"""What tests of `analytics_events` work on: a server that seals and merges, and copies into the table."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from storage.events_table.copying import Copied, EventsCopier
from storage.events_table.days import TableWindow
from storage.postgres.database import Connection, Database
from storage.segments.store import SegmentStore
from storage.write.batch import COLUMNS, WriteOutcome
from tests.event_tables import KNOWN
from tests.integration.segment_stage import Server, make_rows
from tests.rows import NOON, make_batch

Row = tuple[Any, ...]
ENOUGH_S = 60.0
JSON_COLUMNS = ("device", "event_data")


class TableServer(Server):
    """A server with small segments that also copies."""

    def __init__(self, database: Database, cache: Path) -> None:
        super().__init__(database, cache)
        self.database = database
        segments = SegmentStore(database, KNOWN, cache_folder=cache, cache_bytes=1 << 30)
        self.copier = EventsCopier(database, segments)

    async def write(self, rows: Sequence[Row]) -> None:
        """Store rows as one block."""
        assert await self.store.store(make_batch(rows)) == [WriteOutcome.STORED] * len(rows)

    async def fill(self, rows: int, seed: int = 1) -> list[Row]:
        """Store rows, seal all of them, and return them."""
        made = make_rows(rows, random.Random(seed))  # noqa: S311 - of a test
        for start in range(0, rows, 6):
            await self.write(made[start : start + 6])
        while await self.seal():
            pass
        return made

    async def copy(self, window: TableWindow | None) -> Copied:
        """Copy all there is."""
        return await self.copier.run(window, within_s=ENOUGH_S)


def window_of(days: int, now: datetime = NOON) -> TableWindow:
    """Choose the window of so many days."""
    return TableWindow.of(now, days)


def within(rows: Sequence[Row], first: date) -> list[Row]:
    """Choose the rows of a day and later ones."""
    place = COLUMNS.index("timestamp")
    return [row for row in rows if row[place].astimezone(UTC).date() >= first]


def count_rows(rows: Sequence[Row]) -> Counter[Row]:
    """Count rows by what they say."""
    return Counter(map(_comparable, rows))


async def read_table(sql: Connection) -> Counter[Row]:
    """Count the rows of `analytics_events`."""
    records = await sql.fetch(f"SELECT {', '.join(COLUMNS)} FROM analytics_events")
    return count_rows([tuple(record) for record in records])


async def table_days(sql: Connection) -> list[date]:
    """List the days that the table has."""
    names = await sql.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits "
        "WHERE inhparent = 'analytics_events'::regclass ORDER BY 1"
    )
    return [datetime.strptime(record["name"][-8:], "%Y%m%d").replace(tzinfo=UTC).date() for record in names]


def days_from(first: date, last: date) -> list[date]:
    """List days, both ends included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _comparable(row: Row) -> Row:
    values = dict(zip(COLUMNS, row, strict=True))
    values["event_id"] = str(uuid.UUID(str(values["event_id"])))
    for name in JSON_COLUMNS:
        if values[name] is not None:
            values[name] = json.dumps(json.loads(values[name]), sort_keys=True)
    return tuple(values.values())
