"""Retention: what has aged out goes, and the sums of it stay."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from storage.postgres.database import Connection, Database
from storage.postgres.errors import translated
from storage.segments.errors import SegmentError, SegmentMissingError
from storage.segments.keeping import Removed
from storage.segments.store import SegmentStore
from storage.segments.upkeep import SegmentUpkeep
from storage.sql import statement
from storage.summaries.horizon import announce_ageing, drop_periods, survey_periods

log = structlog.get_logger(__name__)

DAY = timedelta(days=1)
MAINTENANCE_TIMEOUT_S = 600.0
"""Statements that tidy up take seconds; one that takes this long is stuck."""
KEY_MARGIN = timedelta(hours=1)
"""Events may be ahead of their receipt by minutes; their keys outlive them all the same."""
KEY_PAGES = 256
"""Some 30,000 keys a transaction: who sends one of these ids again waits for less than 100 ms."""
REJECTED_ROWS = 5_000
"""Likewise for the quarantine, whose rows are larger."""


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
        """Tell the midnight before which hour summaries go."""
        return _midnight_before(now, _longest(self.raw_days, self.hourly_days))

    def days_before(self, now: datetime) -> datetime | None:
        """Tell the midnight before which day summaries go."""
        return _midnight_before(now, _longest(self.raw_days, self.hourly_days, self.daily_days))


@dataclass(frozen=True, slots=True)
class Aged:
    """How much of something has aged out."""

    what: str
    rows: int
    bytes: int


RAW, HOURS, DAYS = "raw events", "hour summaries", "day summaries"
KEYS, QUARANTINE, LEDGER = "event keys", "quarantine", "ingest ledger"


async def survey_aged(
    database: Database, store: SegmentStore, policy: RetentionPolicy, now: datetime
) -> Sequence[Aged]:
    """Tell what `purge_aged` would remove now, without removing anything.

    Raises:
        SegmentError: how much of a segment would go cannot be told, since it cannot be read.
        StorageUnavailableError: the database is away.
    """
    aged = []
    before = policy.raw_before(now)
    if before is not None:
        removed = [await store.keeper.count_before(one, before) for one in await store.catalogue.list_segments()]
        aged.append(_add_up(removed))
    periods = await survey_periods(database, hours_before=policy.hours_before(now), days_before=policy.days_before(now))
    aged += [Aged(HOURS, periods.hours.rows, periods.hours.bytes), Aged(DAYS, periods.days.rows, periods.days.bytes)]
    if before is not None:
        async with _maintenance(database) as connection:
            aged.append(await _count(connection, KEYS, "count_keys", before - KEY_MARGIN))
            aged.append(await _count(connection, QUARANTINE, "count_rejected", before))
            aged.append(await _count(connection, LEDGER, "count_ledger", before))
    return aged


async def purge_aged(database: Database, store: SegmentStore, policy: RetentionPolicy, now: datetime) -> Sequence[Aged]:
    """Remove what has aged out, and tell how much it was. Idempotent; killed anywhere, the next run goes on.

    Order matters: raw events leave their sums in hours before hours leave theirs in days, and a key goes when the
    event it guards is gone.

    Args:
        database: a migrated one.
        store: its segments; its keeper adds events to the summaries before it deletes them.
        policy: how long each kind of data is kept.
        now: aware.

    Raises:
        SegmentError: a segment that has aged cannot be read; all others are gone, and keys stay.
        StorageUnavailableError: the database is away.
    """
    aged = []
    before = policy.raw_before(now)
    if before is not None:
        aged.append(await _purge_raw(database, store, before))
    dropped = await drop_periods(database, hours_before=policy.hours_before(now), days_before=policy.days_before(now))
    aged += [Aged(HOURS, dropped.hours.rows, dropped.hours.bytes), Aged(DAYS, dropped.days.rows, dropped.days.bytes)]
    if before is not None:
        async with _maintenance(database) as connection:
            aged.append(await _purge_keys(connection, before - KEY_MARGIN))
            aged.append(await _purge_quarantine(connection, before))
            aged.append(await _count(connection, LEDGER, "merge_ledger", before))
    return aged


async def _purge_raw(database: Database, store: SegmentStore, before: datetime) -> Aged:
    """Remove the events that happened before a time, those in blocks included. Readers are told first that they go."""
    if any(block.first_at < before for block in await store.catalogue.list_blocks()):
        await SegmentUpkeep(store).seal_all()
    old = [segment for segment in await store.catalogue.list_segments() if segment.first_at < before]
    if old:
        await announce_ageing(database, before)
    removed: list[Removed] = []
    failure: SegmentError | None = None
    for segment in old:
        try:
            removed.append(await store.keeper.age(segment, before))
        except SegmentMissingError:
            continue  # another process has replaced it just now; what replaces it ages next time
        except SegmentError as exc:
            log.error("segment_not_aged", segment=str(segment.id), reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message is the story
            failure = exc
    if failure is not None:
        raise failure
    return _add_up(removed)


def _add_up(removed: Sequence[Removed]) -> Aged:
    return Aged(RAW, sum(one.rows for one in removed), sum(one.bytes for one in removed))


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
    moment = now.astimezone(UTC) - days * DAY
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) if days else None
