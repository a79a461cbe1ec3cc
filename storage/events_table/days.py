"""The days that `analytics_events` holds: one partition a UTC day, made ahead, and dropped whole.

The partitions are the record of what the table should have. A day between them that is missing has lost its rows (its
partition was dropped by hand, or the table kept fewer days before): then the table is emptied and filled anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import structlog

from storage.events_table.statements import statement
from storage.postgres.database import Connection, PooledConnection
from storage.postgres.errors import LeaseTakenError

log = structlog.get_logger(__name__)

MARGIN_DAYS = 1
"""A day goes one day later than it must: servers whose clocks differ at midnight agree on what the table holds."""
DAYS_AHEAD = 1
"""Timestamps may be minutes ahead."""
MOST_DAYS_AHEAD = 10
"""A mad clock must not make partitions until the year 9999."""
LOCK_KEY = 0x534C_4150_4152_5453
"""Advisory lock ("SLAPARTS") under which days are made, by whichever process."""
LOCK_WAIT = "1s"
"""Emptying the table waits for its readers, and new ones queue behind it: not for long; the next run tries again."""
READERS_S = 5.0
"""How long dropping a day waits for those who read the table: nothing is copied meanwhile."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TableWindow:
    """The days (UTC) that the table should hold: all from the first one on.

    Attributes:
        first: the first day.
        today: the day it is.
    """

    first: date
    today: date

    @classmethod
    def of(cls, now: datetime, days: int) -> "TableWindow":
        """Choose the window at an aware time: today and so many days before it, at least 1."""
        today = now.astimezone(UTC).date()
        return cls(today - days * _DAY, today)

    @property
    def first_kept(self) -> date:
        """The first day that is not dropped."""
        return self.first - MARGIN_DAYS * _DAY

    @property
    def last_made(self) -> date:
        """The last day that is made before it is needed."""
        return self.today + DAYS_AHEAD * _DAY

    @property
    def start(self) -> datetime:
        """The first moment of it."""
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first moment that is too far in the future to have a partition."""
        return _midnight(self.today + MOST_DAYS_AHEAD * _DAY)


@dataclass(frozen=True, slots=True)
class TableDay:
    """A day's partition.

    Attributes:
        day: UTC.
        is_attached: whether the table shows its rows.
        is_detaching: whether detaching it has begun and not ended.
    """

    day: date
    is_attached: bool
    is_detaching: bool


async def list_days(connection: "Connection | PooledConnection") -> list[TableDay]:
    """List the partitions, oldest first, also those that are about to be dropped."""
    return [TableDay(*record) for record in await connection.fetch(statement("list_days"))]


async def prepare_days(connection: Connection, window: TableWindow, also: Iterable[date] = ()) -> bool:
    """Make the partitions of the window's days, tomorrow's included; tell whether the table is filled anew.

    Args:
        connection: idle.
        window: what the table should hold.
        also: later days that are needed.

    Raises:
        LeaseTakenError: the table has to be emptied, and somebody is reading it; the next call does it.
    """
    last = max([window.last_made, *also])
    wanted = [window.first + number * _DAY for number in range((last - window.first).days + 1)]
    if not _missing(wanted, await list_days(connection)):
        return False
    try:
        async with connection.transaction():
            return await _fill_gaps(connection, window, wanted)
    except asyncpg.LockNotAvailableError as exc:
        raise LeaseTakenError("analytics_events has to be filled anew, and somebody is reading it; try later") from exc


async def _fill_gaps(connection: Connection, window: TableWindow, wanted: Sequence[date]) -> bool:
    """Make the missing days; where one is missing among the others, all days, and have them filled anew."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK_KEY)
    found = await list_days(connection)
    missing = _missing(wanted, found)
    if not missing:
        return False
    has_gap = not found or missing[0] < found[-1].day
    if has_gap:
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        for day in found:
            await connection.execute(f"DROP TABLE {partition_name(day.day)}")
        await connection.fetchval(statement("forget_copied"), window.start)
    await _make(connection, wanted if has_gap else missing)
    log.info("table_days_made", days=len(missing), is_filled_anew=has_gap)
    return has_gap


async def drop_days(connection: Connection, before: date | None) -> int:
    """Drop the partitions of days before one, or of all; return how many.

    Nobody is in the way: DETACH CONCURRENTLY lets readers and writers go on. It waits for those who have begun to read
    the table before; where that takes long, the next call goes on from there.
    """
    aged = [day for day in await list_days(connection) if before is None or day.day < before]
    dropped = 0
    # What an earlier run has left half done goes first: Postgres detaches one partition at a time.
    for day in sorted(aged, key=lambda day: not day.is_detaching):
        name = partition_name(day.day)
        try:
            if day.is_attached:
                how = "FINALIZE" if day.is_detaching else "CONCURRENTLY"
                await connection.execute(
                    f"ALTER TABLE analytics_events DETACH PARTITION {name} {how}", timeout=READERS_S
                )
            await connection.execute(f"DROP TABLE IF EXISTS {name}", timeout=READERS_S)
        except TimeoutError:
            log.info("table_day_in_use", day=str(day.day))
            break
        dropped += 1
    return dropped


def partition_name(day: date) -> str:
    """Name the partition of a UTC day; fit for the text of a statement that defines, which takes no parameters."""
    return f"analytics_events_{day:%Y%m%d}"


def _missing(wanted: Sequence[date], found: Sequence[TableDay]) -> list[date]:
    there = {day.day for day in found if day.is_attached and not day.is_detaching}
    return [day for day in wanted if day not in there]


async def _make(connection: Connection, days: Iterable[date]) -> None:
    """Make partitions. ATTACH, unlike PARTITION OF, takes a lock of the parent that lets readers and writers go on."""
    for day in days:
        name = partition_name(day)
        await connection.execute(f"CREATE TABLE {name} (LIKE analytics_events INCLUDING ALL)")
        await connection.execute(
            f"ALTER TABLE analytics_events ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + _DAY} 00:00+00')"
        )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
