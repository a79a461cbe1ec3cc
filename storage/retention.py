"""Retention: what has aged out goes, and the sums of it stay."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg
import structlog

from storage.partitions import MAINTENANCE_TIMEOUT_S, Partition, day_of, partition_name, read_partitions
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError, translated
from storage.rollups import Timeframe, close_day, drop_hours_and_days
from storage.rollups.periods import DAY
from storage.sql import statement

log = structlog.get_logger(__name__)

KEY_MARGIN = timedelta(hours=1)
"""Events may be ahead of their receipt by minutes; their keys outlive them all the same."""
KEY_PAGES = 256
"""Some 30,000 keys a transaction: who sends one of these ids again waits for less than 100 ms."""
REJECTED_ROWS = 5_000
"""Likewise for the quarantine, whose rows are larger."""
LOCK_WAIT = "50ms"
"""Nobody uses a detached partition; should somebody all the same, others must not queue behind the drop."""
DROP_ATTEMPTS = 100
DROP_PAUSE_S = 0.2
"""Some 20 s; the next run tries again."""
STATE_ORDER = ("detached", "detaching", "closed", "open")
"""What an earlier run left half done goes first: Postgres detaches one partition at a time."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How many days each kind of data is kept; 0 keeps it without limit.

    What sums are made of never outlives the sums: hours are kept as long as raw events at least, days as long as hours.
    """

    raw_days: int
    hourly_days: int
    daily_days: int

    def raw_before(self, now: datetime) -> datetime | None:
        """Tell the midnight before which raw events go, once all of a day is too old; None where they are kept."""
        return _midnight_before(now, self.raw_days)

    def hours_before(self, now: datetime) -> datetime | None:
        """Tell the midnight before which hour rollups go."""
        return _midnight_before(now, _longest(self.raw_days, self.hourly_days))

    def days_before(self, now: datetime) -> datetime | None:
        """Tell the midnight before which day rollups go."""
        return _midnight_before(now, _longest(self.raw_days, self.hourly_days, self.daily_days))


@dataclass(frozen=True, slots=True)
class Aged:
    """How much of something has aged out; rows of partitions are counted, their bytes include indexes."""

    what: str
    rows: int
    bytes: int


RAW, HOURS, DAYS = "raw events", "hour rollups", "day rollups"
KEYS, QUARANTINE, LEDGER = "event keys", "quarantine", "ingest ledger"


async def survey_aged(database: Database, policy: RetentionPolicy, now: datetime) -> Sequence[Aged]:
    """Tell what `purge_aged` would remove now, without removing anything.

    Raises:
        StorageUnavailableError: the database is away.
    """
    aged = []
    async with _maintenance(database) as connection:
        before = policy.raw_before(now)
        if before is not None:
            partitions = await _aged_partitions(database, before)
            rows = [await _count_rows(connection, partition.day) for partition in partitions]
            aged.append(Aged(RAW, sum(rows), sum(partition.bytes for partition in partitions)))
        for what, timeframe, end in (
            (HOURS, Timeframe.HOUR, policy.hours_before(now)),
            (DAYS, Timeframe.DAY, policy.days_before(now)),
        ):
            if end is not None:
                aged.append(await _count(connection, what, "count_rollups", timeframe.value, end))
        if before is not None:
            aged.append(await _count(connection, KEYS, "count_keys", before - KEY_MARGIN))
            aged.append(await _count(connection, QUARANTINE, "count_rejected", before))
            aged.append(await _count(connection, LEDGER, "count_ledger", before))
    return aged


async def purge_aged(database: Database, policy: RetentionPolicy, now: datetime) -> Sequence[Aged]:
    """Remove what has aged out, and tell how much it was. Idempotent; killed anywhere, the next run goes on.

    Order matters: raw events leave their sums in hours before hours leave theirs in days, and a key goes when the
    event it guards is gone.

    Raises:
        LeaseTakenError: another process has been changing rollups for a minute.
        StorageUnavailableError: the database is away, or a day is being written to all the time.
    """
    aged = []
    before = policy.raw_before(now)
    if before is not None:
        aged.append(await _purge_raw(database, before, now))
    dropped = await drop_hours_and_days(
        database, hours_before=policy.hours_before(now), days_before=policy.days_before(now)
    )
    aged += [Aged(HOURS, *dropped.hours), Aged(DAYS, *dropped.days)]
    if before is not None:
        async with _maintenance(database) as connection:
            aged.append(await _purge_keys(connection, before - KEY_MARGIN))
            aged.append(await _purge_quarantine(connection, before))
            aged.append(await _count(connection, LEDGER, "merge_ledger", before))
    return aged


async def drop_day(database: Database, day: date, now: datetime) -> Aged:
    """Freeze the hours of a day, detach its partition and drop it; goes on from wherever an earlier attempt ended.

    Writers are never in the way and hardly held up: closing waits for the writers of that day for 50 ms at a time,
    detaching lets everybody go on, and nobody uses what is detached.

    Raises:
        LeaseTakenError, StorageUnavailableError: as `close_day`, or something holds the partition for long.
    """
    name = partition_name(day)
    events = await close_day(database, day, now)
    async with _maintenance(database) as connection:
        aged = Aged(
            RAW,
            # Counting rows holds up writers, who share the disk: only where an earlier run has closed the day.
            events or await _count_rows(connection, day),
            await connection.fetchval("SELECT pg_total_relation_size(CAST($1::text AS regclass))", name),
        )
        state = {partition.day: partition.state for partition in await read_partitions(database)}[day]
        if state == "detaching":
            await connection.execute(f"ALTER TABLE analytics_events DETACH PARTITION {name} FINALIZE")
        elif state != "detached":
            await connection.execute(f"ALTER TABLE analytics_events DETACH PARTITION {name} CONCURRENTLY")
        await _drop(connection, day)
    log.info("day_dropped", day=str(day), rows=aged.rows, bytes=aged.bytes)
    return aged


async def _purge_raw(database: Database, before: datetime, now: datetime) -> Aged:
    dropped = [await drop_day(database, partition.day, now) for partition in await _aged_partitions(database, before)]
    return Aged(RAW, sum(aged.rows for aged in dropped), sum(aged.bytes for aged in dropped))


async def _aged_partitions(database: Database, before: datetime) -> list[Partition]:
    partitions = [partition for partition in await read_partitions(database) if partition.day < day_of(before)]
    return sorted(partitions, key=lambda partition: STATE_ORDER.index(partition.state))


async def _drop(connection: Connection, day: date) -> None:
    for _ in range(DROP_ATTEMPTS):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
                await connection.execute(f"DROP TABLE {partition_name(day)}")
                await connection.execute(statement("retention/open_day"), day)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(DROP_PAUSE_S)
        else:
            return
    raise StorageUnavailableError(f"something uses the detached partition of {day}; the next run drops it")


async def _purge_keys(connection: Connection, before: datetime) -> Aged:
    pages = await connection.fetchval(statement("retention/key_pages"))
    rows = size_bytes = 0
    for page in range(0, pages, KEY_PAGES):
        deleted = await _count(connection, KEYS, "delete_keys", before, (page, 0), (page + KEY_PAGES, 0))
        rows += deleted.rows
        size_bytes += deleted.bytes
    return Aged(KEYS, rows, size_bytes)


async def _purge_quarantine(connection: Connection, before: datetime) -> Aged:
    rows = size_bytes = 0
    while (deleted := await _count(connection, QUARANTINE, "delete_rejected", before, REJECTED_ROWS)).rows:
        rows += deleted.rows
        size_bytes += deleted.bytes
    return Aged(QUARANTINE, rows, size_bytes)


async def _count(connection: Connection, what: str, name: str, *parameters: object) -> Aged:
    row = await connection.fetchrow(statement(f"retention/{name}"), *parameters)
    assert row is not None  # noqa: S101 - these statements always answer one row
    return Aged(what, row["rows"], row["bytes"])


async def _count_rows(connection: Connection, day: date) -> int:
    rows: int = await connection.fetchval(f"SELECT count(*) FROM {partition_name(day)}")
    return rows


@asynccontextmanager
async def _maintenance(database: Database) -> AsyncIterator[Connection]:
    """Yield a connection whose statements may take minutes."""
    with translated():
        connection = await database.address.connect("retention", command_timeout_s=MAINTENANCE_TIMEOUT_S)
        try:
            yield connection
        finally:
            connection.terminate()


def _longest(*days: int) -> int:
    return 0 if 0 in days else max(days)


def _midnight_before(now: datetime, days: int) -> datetime | None:
    return Timeframe.DAY.start_of(now.astimezone(UTC) - days * DAY) if days else None
