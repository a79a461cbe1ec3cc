"""The reader: a report asks it for rows, on one consistent snapshot, and never sees a connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from asyncpg import Record

from storage.database import Database, PooledConnection
from storage.errors import StorageTimeoutError
from storage.sql import statement

TOP_CONTENT = 10
"""A dashboard shows so many; longer lists are a report of their own."""
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """Events of a type in range, and in the range of the same length just before."""

    event_type: str
    count: int
    previous_count: int


@dataclass(frozen=True, slots=True)
class RevenueTotal:
    """Purchases in a currency; `amount` is an exact decimal as text."""

    currency: str
    amount: str
    orders: int


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """Events of a type in the period that begins at `time` (UTC)."""

    time: datetime
    event_type: str
    count: int


@dataclass(frozen=True, slots=True)
class ContentViews:
    """Views of a content."""

    content_type: str
    content_id: str
    views: int


@dataclass(frozen=True, slots=True)
class DashboardRows:
    """What a dashboard shows. Only types and periods with an event occur; `mean_view_duration` is in seconds."""

    totals: Sequence[TypeTotal]
    users: int
    sessions: int
    new_users: int
    revenue: Sequence[RevenueTotal]
    mean_view_duration: float | None
    series: Sequence[SeriesCount]
    top_content: Sequence[ContentViews]
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class EventCursor:
    """The last event of a page."""

    timestamp: datetime
    sequence: int
    event_id: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None matches any."""

    event_type: str | None = None
    user_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event; `device` and `event_data` are JSON text in camelCase, times are UTC."""

    event_id: str
    event_type: str
    schema_version: str
    timestamp: datetime
    received_at: datetime
    timestamp_source: str | None
    sequence: int
    user_id: str | None
    session_id: str | None
    platform: str | None
    user_agent: str | None
    device: str | None
    event_data: str


class Snapshot:
    """One moment of the stored events: everything read from it agrees."""

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection

    async def dashboard(self, *, start: datetime, end: datetime, bucket: str, time_zone: str) -> DashboardRows:
        """Read what a dashboard shows of [start, end).

        Args:
            start: first moment, aware.
            end: first moment after the range, aware.
            bucket: "minute", "hour" or "day": the periods of the series.
            time_zone: IANA name of the zone that the periods belong to.
        """
        totals = await self._fetch("dashboard_totals", start - (end - start), start, end)
        actors = await self._fetch_one("dashboard_actors", start, end)
        sessions = await self._fetch_one("dashboard_sessions", start, end)
        revenue = await self._fetch("dashboard_revenue", start, end)
        views = await self._fetch_one("dashboard_view_duration", start, end)
        content = await self._fetch("dashboard_content", start, end, TOP_CONTENT)
        return DashboardRows(
            totals=[TypeTotal(row["event_type"], row["count"], row["previous_count"]) for row in totals],
            users=actors["users"],
            sessions=sessions["sessions"],
            new_users=actors["new_users"],
            revenue=[RevenueTotal(row["currency"], f"{row['amount']:f}", row["orders"]) for row in revenue],
            mean_view_duration=views["mean_view_duration"],
            series=await self._series(start, end, bucket, time_zone),
            top_content=[ContentViews(row["content_type"], row["content_id"], row["views"]) for row in content],
            as_of=max((row["as_of"] for row in totals if row["as_of"] is not None), default=None),
        )

    async def event_page(
        self, *, start: datetime, end: datetime, only: EventFilter, after: EventCursor | None, limit: int
    ) -> list[EventRecord]:
        """Read events of [start, end) that match the filter, newest first, from behind the cursor on.

        Args:
            start: first moment, aware.
            end: first moment after the range, aware.
            only: which events.
            after: the last event of the page before; None for the first page.
            limit: how many at most.
        """
        if after is None:
            place: tuple[datetime | None, int | None, str | None] = (None, None, None)
        else:
            place = (after.timestamp, after.sequence, after.event_id)
            end = min(end, after.timestamp + MICROSECOND)  # newer partitions need not be opened
        rows = await self._fetch(
            "event_list", start, end, only.event_type, only.user_id, only.session_id, *place, limit
        )
        return [EventRecord(str(row["event_id"]), *row[1:]) for row in rows]

    async def _series(self, start: datetime, end: datetime, bucket: str, time_zone: str) -> list[SeriesCount]:
        if bucket == "day":
            zone = ZoneInfo(time_zone)
            return [
                SeriesCount(_midnight(row["day"], zone), row["event_type"], row["count"])
                for row in await self._fetch("dashboard_days", start, end, time_zone)
            ]
        return [
            SeriesCount(row["time"], row["event_type"], row["count"])
            for row in await self._fetch("dashboard_clock", start, end, time_zone, bucket)
        ]

    async def _fetch(self, name: str, *parameters: object) -> list[Record]:
        rows: list[Record] = await self._connection.fetch(statement(f"read/{name}"), *parameters)
        return rows

    async def _fetch_one(self, name: str, *parameters: object) -> Record:
        (row,) = await self._fetch(name, *parameters)
        return row


class Reader:
    """Opens snapshots of the stored events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def snapshot(self, timeout_s: float) -> AsyncIterator[Snapshot]:
        """Open a snapshot for a report that must be done within `timeout_s` seconds.

        When the caller is cancelled, so is what Postgres is doing for it.

        Raises:
            StorageTimeoutError: the time was over.
            StorageUnavailableError: the database is away.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._database.acquire_reader(timeout_s) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                # Filters that may be null, and ranges that open few of many partitions, want a plan for their values.
                await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
                yield Snapshot(connection)
        except TimeoutError as exc:
            raise StorageTimeoutError(
                "the report took longer than the time it was given; ask for a shorter range"
            ) from exc


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)
