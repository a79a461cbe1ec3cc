"""The daily partitions of analytics_events: made ahead by the clock, and on demand by the writer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import structlog

from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError, translated
from storage.sql import statement

log = structlog.get_logger(__name__)

READ_TIMEOUT_S = 10.0
PREFIX = "analytics_events_"
EARLIEST_DAY = date(1970, 1, 1)
MAX_DAYS_AHEAD = 10
"""Bounds of the days that may exist: a mad clock must not make partitions until the year 9999."""
DAYS_AHEAD = 7
"""A week of days stands ready, so that a job that does not run over a long weekend is not noticed by writers."""
ANALYZE_SHARE = 0.2
ANALYZE_LEAST_ROWS = 10_000
"""A partition whose changed rows are more than both has statistics that mislead the planner; autovacuum comes later."""
MAINTENANCE_TIMEOUT_S = 600.0
"""Statements that tidy up take seconds; one that takes this long is stuck."""
DAYS_PER_TRANSACTION = 50
"""Bounds how many locks and how much catalogue work one transaction holds when old data is imported."""
LOCK_KEY = 0x534C_4150_4152_5453
"""Advisory lock ("SLAPARTS") under which partitions are made, by whichever process."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A day's partition.

    Attributes:
        day: UTC.
        state: "open", "closed" (frozen by retention, takes nothing), "detaching" or "detached" (about to be dropped).
        rows: as Postgres estimates.
        bytes: with its indexes.
        changes: rows changed since the planner's statistics were made.
    """

    day: date
    state: str
    rows: int
    bytes: int
    changes: int


class Partitions:
    """Knows which days have a partition, and makes those that are missing. Safe from several processes at once."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now
        self._known: set[date] = set()
        self._making = asyncio.Lock()

    @property
    def known(self) -> frozenset[date]:
        """The days (UTC) that had a partition when last looked."""
        return frozenset(self._known)

    async def refresh(self) -> None:
        """Look again which days have a partition.

        Raises:
            StorageUnavailableError: the database is away.
        """
        async with self._connected() as connection:
            self._known = await _list_days(connection)

    async def ensure(self, days: Iterable[date]) -> int:
        """Make the partitions that are missing among `days` (UTC), and return how many were made.

        Writers go on meanwhile: attaching a partition takes a lock that does not conflict with theirs.

        Raises:
            ValueError: a day lies before EARLIEST_DAY, or more than MAX_DAYS_AHEAD in the future.
            StorageUnavailableError: the database is away, or one of the days is being removed.
        """
        wanted = set(days)
        if wanted <= self._known:
            return 0
        if self.possible(wanted) != wanted:
            raise ValueError(f"no partition may be made outside of {EARLIEST_DAY} to {self._latest_day()}")
        made = 0
        async with self._making:
            missing = sorted(wanted - self._known)
            if not missing:
                return 0
            async with self._connected() as connection:
                for start in range(0, len(missing), DAYS_PER_TRANSACTION):
                    made += await self._make(connection, missing[start : start + DAYS_PER_TRANSACTION])
        return made

    def possible(self, days: Iterable[date]) -> set[date]:
        """Select the days (UTC) that may have a partition."""
        latest = self._latest_day()
        return {day for day in days if EARLIEST_DAY <= day <= latest}

    def _latest_day(self) -> date:
        return day_of(self._now()) + timedelta(days=MAX_DAYS_AHEAD)

    async def ensure_ahead(self, today: date) -> int:
        """Make the partitions of today and DAYS_AHEAD days after it, and return how many were made."""
        return await self.ensure(self.missing_ahead(today))

    def missing_ahead(self, today: date) -> list[date]:
        """List those of today and DAYS_AHEAD days after it that are not known to have a partition."""
        days = (today + timedelta(days=number) for number in range(DAYS_AHEAD + 1))
        return [day for day in days if day not in self._known]

    async def _make(self, connection: Connection, days: list[date]) -> int:
        with translated():
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK_KEY)
                existing = await _list_days(connection)
                missing = [day for day in days if day not in existing]
                if missing:
                    await _create(connection, missing)
        self._known |= existing | set(days)
        if missing:
            log.info("partitions_made", count=len(missing), first=str(missing[0]), last=str(missing[-1]))
        return len(missing)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection = await self._database.connect_writer()
        try:
            yield connection
        finally:
            connection.terminate()


async def read_partitions(database: Database) -> list[Partition]:
    """List the partitions by day, those that are about to be dropped included.

    Raises:
        StorageUnavailableError: the database is away.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        return [Partition(**row) for row in await connection.fetch(statement("partitions/sizes"))]


async def analyze_grown(database: Database) -> int:
    """Renew the planner's statistics of partitions that have grown much since; return how many.

    Raises:
        StorageUnavailableError: the database is away.
    """
    grown = [
        partition
        for partition in await read_partitions(database)
        if partition.state == "open" and partition.changes > max(ANALYZE_LEAST_ROWS, ANALYZE_SHARE * partition.rows)
    ]
    if grown:
        with translated():
            connection = await database.address.connect("analyze", command_timeout_s=MAINTENANCE_TIMEOUT_S)
            try:
                for partition in grown:
                    await connection.execute(f"ANALYZE {partition_name(partition.day)}")
            finally:
                connection.terminate()
    return len(grown)


def day_of(moment: datetime) -> date:
    """Tell the UTC day, and so the partition, of an aware time."""
    return moment.astimezone(UTC).date()


def partition_name(day: date) -> str:
    """Name the partition of a UTC day; fit for the text of a statement that defines, which takes no parameters."""
    return f"{PREFIX}{day:%Y%m%d}"


async def _create(connection: Connection, days: Iterable[date]) -> None:
    """Make partitions. ATTACH, unlike PARTITION OF, takes a lock of the parent that lets readers and writers go on."""
    script = [
        f"CREATE TABLE {partition_name(day)} (LIKE analytics_events INCLUDING ALL);"
        f"ALTER TABLE analytics_events ATTACH PARTITION {partition_name(day)} "
        f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00');"
        for day in days
    ]
    try:
        await connection.execute("".join(script))
    except asyncpg.DuplicateTableError as exc:
        # It is there and takes nothing: retention has closed or detached it, and drops it in a moment.
        raise StorageUnavailableError("a day's partition is being removed now; send the same events again") from exc


async def _list_days(connection: Connection) -> set[date]:
    with translated():
        rows = await connection.fetch(statement("partitions/list"))
    return {date.fromisoformat(row["day"]) for row in rows}
