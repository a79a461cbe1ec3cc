"""The reader against a brute-force oracle on a real Postgres."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from server.reports.buckets import Bucket, buckets_of
from server.reports.scope import Scope
from storage.partitions import Partitions
from storage.postgres.database import Database
from storage.postgres.errors import StorageTimeoutError
from storage.postgres.reader import Reader, Snapshot
from storage.reports.dashboard_rows import DashboardRows, read_dashboard
from storage.reports.event_list_rows import EventCursor, EventFilter, read_event_page
from storage.reports.predicates import Query
from storage.write.writer import COLUMNS
from tests.rows import make_batch, make_row, make_store

FIRST = datetime(2026, 3, 27, tzinfo=UTC)
"""Two days before clocks go forward in Europe."""
DAYS = 5


@dataclass(frozen=True)
class Stored:
    """A row by the names of its columns, with its payload read."""

    row: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """Read a column."""
        return self.row[name]

    @property
    def data(self) -> dict[str, Any]:
        """Read the payload; numbers stay exact."""
        data: dict[str, Any] = json.loads(self.row["event_data"], parse_float=Decimal)
        return data


def make_history(events: int) -> list[tuple[Any, ...]]:
    """Make events of all kinds over DAYS: few users, times that coincide, fields that are missing."""
    chance = random.Random(5)  # noqa: S311 - the same history in each run
    rows = []
    for number in range(events):
        kind = chance.choice(("view", "view", "view", "purchase", "session"))
        if kind == "view":
            data: dict[str, Any] = {"contentType": "post", "contentId": f"post-{chance.randrange(14)}"}
            if chance.random() < 0.5:
                data["viewDuration"] = round(chance.uniform(0, 90), 3)
        elif kind == "purchase":
            currency = chance.choice(("EUR", "USD", "JPY"))
            data = {"orderId": f"o-{number}", "amount": chance.randrange(1, 10**6) / 100, "currency": currency}
        else:
            data = {"action": "start"}
        seconds = chance.randrange(DAYS * 86_400)
        rows.append(
            make_row(
                event_type=kind,
                timestamp=FIRST + timedelta(seconds=seconds - seconds % chance.choice((1, 3600))),
                received_at=FIRST + timedelta(days=DAYS, microseconds=number),
                sequence=chance.randrange(3),
                user_id=chance.choice((None, f"user-{chance.randrange(60)}", f"user-{number}")),
                session_id=chance.choice((None, f"session-{chance.randrange(90)}")),
                event_data=json.dumps(data),
                device=chance.choice((None, '{"os":"Android"}')),
            )
        )
    return rows


HISTORY = make_history(1500)
ORACLE = [Stored(dict(zip(COLUMNS, row, strict=True))) for row in HISTORY]


@pytest.fixture(scope="module")
async def reader(module_database_url: str) -> AsyncIterator[Reader]:
    """A reader of a database that holds HISTORY."""
    database = await Database.open(module_database_url)
    store = make_store(database)
    await store.store(make_batch(HISTORY))
    await store.close()
    yield Reader(database)
    await database.close()


@pytest.fixture
async def snapshot(reader: Reader) -> AsyncIterator[Snapshot]:
    """A snapshot of HISTORY."""
    async with reader.snapshot(30) as opened:
        yield opened


RANGES = [
    (FIRST, FIRST + timedelta(days=DAYS)),
    (FIRST + timedelta(days=1, hours=7, minutes=13), FIRST + timedelta(days=3, hours=1, microseconds=1)),
    (FIRST + timedelta(days=2), FIRST + timedelta(days=2, hours=1)),
    (FIRST - timedelta(days=400), FIRST + timedelta(days=400)),
    (FIRST + timedelta(days=100), FIRST + timedelta(days=101)),
]


async def read_range(snapshot: Snapshot, start: datetime, end: datetime) -> DashboardRows:
    """Read the dashboard of a range as one period."""
    return await read_dashboard(
        snapshot, previous_start=start - (end - start), period_starts=[start], end=end, newcomers=(0, 0)
    )


@pytest.mark.parametrize(
    ("zone", "first", "lengths"),
    [
        ("Europe/Berlin", "2026-03-27T23:00+00:00", [24, 23, 24]),  # forward at 02:00
        ("Europe/Berlin", "2026-10-23T22:00+00:00", [24, 25, 24]),  # back at 03:00
        ("America/Havana", "2026-10-31T04:00+00:00", [24, 25, 24]),  # back at 01:00: midnight happens twice
        ("Africa/Cairo", "2026-04-22T22:00+00:00", [24, 23, 24]),  # forward at 00:00: midnight does not happen
    ],
)
async def test_local_days_have_their_true_length(database_url: str, zone: str, first: str, lengths: list[int]) -> None:
    """An event an hour, counted by local day: a day begins at its first moment, and all its hours are in it."""
    start = datetime.fromisoformat(first)
    hours = sum(lengths)
    database = await Database.open(database_url)
    store = make_store(database, Partitions(database, now=lambda: start))
    await store.store(make_batch([make_row(timestamp=start + timedelta(hours=hour)) for hour in range(hours)]))
    await store.close()
    async with Reader(database).snapshot(30) as snapshot:
        days = list(buckets_of(Scope(start, start + timedelta(hours=hours), ZoneInfo(zone)), Bucket.DAY))
        rows = await read_dashboard(
            snapshot, previous_start=start, period_starts=days, end=start + timedelta(hours=hours), newcomers=(0, 0)
        )
    assert [point.count for point in rows.series] == lengths
    assert days == [start + timedelta(hours=sum(lengths[:day])) for day in range(3)]
    await database.close()


async def test_revenue_is_exact_where_binary_fractions_are_not(database_url: str) -> None:
    """Ten times 0.1 is 1.0, a cent on top of a trillion is kept, and small amounts are not written with an exponent."""
    amounts = ["0.1"] * 10 + ["1000000000000", "0.01", "1e-9"]
    database = await Database.open(database_url)
    store = make_store(database)
    await store.store(
        make_batch(
            [
                make_row(event_type="purchase", event_data=f'{{"amount":{amount},"currency":"USD"}}', timestamp=FIRST)
                for amount in amounts
            ]
        )
    )
    await store.close()
    async with Reader(database).snapshot(30) as snapshot:
        rows = await read_range(snapshot, FIRST, FIRST + timedelta(days=1))
    (revenue,) = rows.figures.revenue
    assert (revenue.amount, revenue.orders) == ("1000000000001.010000001", 13)
    await database.close()


FILTERS = [
    EventFilter(),
    EventFilter(event_type="purchase"),
    EventFilter(user_id="user-7"),
    EventFilter(session_id="session-3"),
    EventFilter(event_type="view", user_id="user-7", session_id="session-3"),
    EventFilter(user_id="session-3"),  # the actor of events without a user; the user of none
    EventFilter(user_id="nobody"),
]


@pytest.mark.parametrize("only", FILTERS, ids=repr)
@pytest.mark.parametrize("limit", [7, 1000])
async def test_pages_add_up_to_the_events_that_match(snapshot: Snapshot, only: EventFilter, limit: int) -> None:
    """Newest first, ties by sequence and id, none twice and none missing, whatever the size of a page."""
    start, end = RANGES[1]
    listed, after = [], None
    while page := await read_event_page(snapshot, start=start, end=end, only=only, after=after, limit=limit):
        assert len(page) <= limit
        listed += page
        after = EventCursor(page[-1].timestamp, page[-1].sequence, page[-1].event_id)
    expected = [
        event
        for event in ORACLE
        if start <= event.timestamp < end
        and only.event_type in {None, event.event_type}
        and only.user_id in {None, event.user_id}
        and only.session_id in {None, event.session_id}
    ]
    expected.sort(key=lambda event: (event.timestamp, event.sequence, event.event_id), reverse=True)
    assert [record.event_id for record in listed] == [event.event_id for event in expected]
    for record, event in zip(listed, expected, strict=True):
        assert json.loads(record.event_data, parse_float=Decimal) == event.data
        assert record.device == (event.device and '{"os": "Android"}')
        columns = ("event_type", "schema_version", "timestamp", "received_at", "timestamp_source", "sequence")
        for name in (*columns, "user_id", "session_id", "platform", "user_agent"):
            assert getattr(record, name) == getattr(event, name)


async def test_a_page_over_centuries_ends(snapshot: Snapshot) -> None:
    """The widest range that can be asked for, with few events at its beginning."""
    start, end = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    page = await read_event_page(snapshot, start=start, end=end, only=EventFilter(), after=None, limit=10_000)
    assert len(page) == len(HISTORY)


async def test_what_is_stored_meanwhile_does_not_change_a_snapshot(database_url: str) -> None:
    """All numbers of a report are of one moment."""
    database = await Database.open(database_url)
    store = make_store(database)
    span = {"start": FIRST, "end": FIRST + timedelta(days=1)}
    await store.store(make_batch([make_row(timestamp=FIRST)]))
    async with Reader(database).snapshot(30) as snapshot:
        before = await read_range(snapshot, **span)
        await store.store(make_batch([make_row(timestamp=FIRST), make_row(timestamp=FIRST - timedelta(days=1))]))
        assert await read_range(snapshot, **span) == before
        page = await read_event_page(snapshot, **span, only=EventFilter(), after=None, limit=10)
        assert len(page) == 1
    async with Reader(database).snapshot(30) as snapshot:
        after = await read_range(snapshot, **span)
        assert (after.totals[0].count, after.totals[0].previous_count) == (2, 1)
    await store.close()
    await database.close()


async def busy_readers(url: str) -> int:
    """Count the readers of this database that Postgres is working for, or waits with."""
    sql = await asyncpg.connect(url)
    count: int = await sql.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'analytics reader' AND state <> 'idle' AND datname = current_database()"
    )
    await sql.close()
    return count


async def test_a_report_that_runs_out_of_time_is_ended_in_postgres_too(database_url: str) -> None:
    """The caller learns why, and the connection is fit for the next one."""
    database = await Database.open(database_url, readers=1)
    sql = await asyncpg.connect(database_url)
    reader = Reader(database)
    await sql.execute("BEGIN; LOCK TABLE analytics_events")  # a report that waits is as good as one that takes long
    with pytest.raises(StorageTimeoutError) as error:
        async with reader.snapshot(0.2) as snapshot:
            await read_range(snapshot, FIRST, FIRST + timedelta(days=1))
    assert error.value.reason == "DEADLINE"
    assert await busy_readers(database_url) == 0
    await sql.execute("ROLLBACK")
    async with reader.snapshot(30) as snapshot:
        assert (
            await read_event_page(
                snapshot, start=FIRST, end=FIRST + timedelta(days=1), only=EventFilter(), after=None, limit=1
            )
            == []
        )
    await sql.close()
    await database.close()


async def test_a_caller_who_goes_away_ends_the_query_in_postgres(database_url: str) -> None:
    """Nobody reads its answer."""
    database = await Database.open(database_url, readers=1)
    sql = await asyncpg.connect(database_url)
    await sql.execute("BEGIN; LOCK TABLE analytics_events")

    async def report() -> None:
        async with Reader(database).snapshot(60) as snapshot:
            await read_range(snapshot, FIRST, FIRST + timedelta(days=1))

    asking = asyncio.create_task(report())
    async with asyncio.timeout(10):
        while await busy_readers(database_url) == 0:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        while await busy_readers(database_url):
            await asyncio.sleep(0.01)
    await sql.execute("ROLLBACK")
    await sql.close()
    await database.close()


async def test_a_second_connection_reads_the_same_moment(database_url: str) -> None:
    """Statements side by side do not see what is stored after the snapshot was taken."""
    database = await Database.open(database_url, readers=2)
    store = make_store(database)
    await store.store(make_batch([make_row(timestamp=FIRST)]))
    count = Query("SELECT count(*), pg_backend_pid() FROM analytics_events, pg_sleep(0.05)", ())
    async with Reader(database).snapshot(30) as snapshot:
        await snapshot.fetch_query(count)
        await store.store(make_batch([make_row(timestamp=FIRST)]))
        answers = [rows[0] for rows in await snapshot.fetch_each([count] * 6)]
        assert {row[0] for row in answers} == {1}
        assert len({row[1] for row in answers}) == 2
    await store.close()
    await database.close()


async def test_sorting_is_left_out_for_those_statements_that_ask_for_it(snapshot: Snapshot) -> None:
    """What one asks for does not reach the next, in whatever order."""
    setting = Query("SELECT current_setting('enable_sort')", ())
    by_hash = replace(setting, groups_by_hash=True)
    asked = [setting, by_hash, by_hash, setting, setting, by_hash]
    found = [(await snapshot.fetch_query(query))[0][0] for query in asked]
    assert found == ["on", "off", "off", "on", "on", "off"]


async def test_statements_side_by_side_fail_and_end_together(database_url: str) -> None:
    """The error of either connection reaches the caller, and the other one works no longer."""
    database = await Database.open(database_url, readers=2)
    wrong, slow = Query("SELECT 1 / 0", ()), Query("SELECT pg_sleep(20)", ())
    for queries in ([wrong, slow], [slow, wrong]):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with asyncio.timeout(10), Reader(database).snapshot(30) as snapshot:
                await snapshot.fetch_each(queries)
        async with asyncio.timeout(10):
            while await busy_readers(database_url):
                await asyncio.sleep(0.01)
    await database.close()


async def test_a_snapshot_cannot_write(snapshot: Snapshot) -> None:
    """A mistake in a report's statement must not change what is stored."""
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await snapshot.connection.execute("DELETE FROM analytics_events")
