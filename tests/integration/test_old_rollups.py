"""A service that is updated: rollups of before 0005 to 0007 become what they would have been, as far as anything tells.

Some of the events below have aged out long ago, some are in frozen hours, some are folded and some wait for a fold.
"""

import json
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from storage.postgres.database import Connection, Database
from storage.postgres.migrate import migrate
from storage.postgres.reader import Reader
from storage.reports.dashboard_rollups import sum_dashboard, survey_dashboard
from storage.reports.dashboard_rows import DashboardRows, RevenueTotal
from storage.retention import RetentionPolicy, purge_aged
from storage.rollups import Timeframe, fold, rebuild, verify
from storage.rollups.forms.lengths import LARGEST_ERROR
from storage.rollups.forms.sketch import STANDARD_ERROR
from storage.write.batch import COLUMNS
from tests.integration.old_rollups import NEXT_TO_NEWEST, OLD, forget_deltas, migrate_to, store_as_then, write_rollups
from tests.oracle.dashboard import Seen, expected_dashboard
from tests.rows import make_row

Row = tuple[Any, ...]

DAY = timedelta(days=1)
LONG_AGO = datetime(2025, 6, 10, tzinfo=UTC)
AGED = datetime(2026, 2, 2, tzinfo=UTC)
"""A Monday: the days after it are in its week and month."""
FOLDED, WAITING, END = AGED + DAY, AGED + 2 * DAY, AGED + 3 * DAY
LATER = AGED + 200 * DAY
EVENTS_A_DAY = 60
UTC_ZONE = ZoneInfo("UTC")
TABLES = {
    "analytics_aggregations": "event_type, count, metadata::text",
    "analytics_distinct_sketches": "actors, sessions, streams",
    "analytics_rankings": "ranking, kinds, names, counts, amounts, error",
    "analytics_session_samples": "threshold, keys, inferred, firsts, lasts",
}


class Updated(NamedTuple):
    """A database that has just been migrated.

    Attributes:
        events: all that were ever stored.
        kept: those whose raw rows are there.
    """

    database: Database
    sql: Connection
    events: Sequence[Seen]
    kept: Sequence[Seen]


def make_rows(chance: random.Random, day: datetime) -> list[Row]:
    """Make events of all types; some actors come every day."""
    return [
        make_row(
            timestamp=day + timedelta(minutes=chance.randrange(24 * 60)),
            received_at=day + DAY + timedelta(seconds=chance.randrange(9999)),
            event_type=event_type,
            user_id=chance.choice((None, f"user-{chance.randint(1, 20)}")),
            session_id=chance.choice((None, f"session-{day:%d}-{chance.randint(1, 15)}")),
            platform=chance.choice(("web", "ios", None)),
            event_data=json.dumps(data),
        )
        for _ in range(EVENTS_A_DAY)
        for event_type, data in [make_payload(chance)]
    ]


def make_payload(chance: random.Random) -> tuple[str, dict[str, object]]:
    """Make what events hold; half of them tell measures."""
    told = chance.random() < 0.5
    match chance.choice(("view", "view", "purchase", "stream", "session")):
        case "view":
            data: dict[str, object] = {"contentType": "post", "contentId": str(chance.randint(1, 9))}
            return "view", data | ({"viewDuration": chance.randrange(1, 900) / 10} if told else {})
        case "purchase":
            data = {"amount": chance.randrange(1, 9999) / 100, "currency": chance.choice(("EUR", "USD"))}
            return "purchase", data | ({"conversionPath": [chance.choice(("feed", "search"))]} if told else {})
        case "stream":
            data = {"streamId": f"s{chance.randint(1, 9)}", "action": "join"}
            return "stream", data | ({"viewerCount": chance.randint(1, 99), "watchDuration": 0.7} if told else {})
        case other:
            return other, {"action": "start"}


def see(rows: Iterable[Row]) -> list[Seen]:
    """Look at rows as the oracle does."""
    named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    fields = ("actor_id", "session_id", "timestamp", "received_at", "event_type", "platform")
    return [
        Seen(**{field: row[field] for field in fields}, data=json.loads(row["event_data"], parse_float=Decimal))
        for row in named
    ]


@pytest.fixture(params=[OLD, NEXT_TO_NEWEST])
async def updated(empty_database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Updated]:
    """A database with rollups of old, migrated from an earlier revision to the newest one."""
    chance = random.Random(11)  # noqa: S311 - the same events in each run
    await migrate_to(empty_database_url, OLD)
    long_ago, aged, folded, late, waiting = (make_rows(chance, day) for day in (LONG_AGO, AGED, FOLDED, AGED, WAITING))
    database = await Database.open(empty_database_url)
    sql = await asyncpg.connect(empty_database_url)
    # Late events of the day that has aged out: live rollups beside the frozen ones.
    await store_as_then(database, sql, *folded, *late[:20])
    await forget_deltas(sql)
    for timeframe in (Timeframe.WEEK, Timeframe.MONTH):
        await write_rollups(sql, timeframe, see(long_ago), is_frozen=True)
    await write_rollups(sql, Timeframe.HOUR, see(aged), is_frozen=True)
    await write_rollups(sql, Timeframe.HOUR, see([*folded, *late[:20]]), is_frozen=False)
    for timeframe in (Timeframe.DAY, Timeframe.WEEK, Timeframe.MONTH):
        await write_rollups(sql, timeframe, see([*aged, *folded, *late[:20]]), is_frozen=False)
    if request.param != OLD:
        # As if nothing but counts had been folded since: then the last revision alone sees to it that all is.
        await migrate_to(empty_database_url, request.param)
        await forget_deltas(sql)
    # Unfolded: a new day, and late events of folded and of frozen hours.
    waiting += [make_row(timestamp=AGED + DAY / 2), make_row(timestamp=FOLDED + DAY / 2), *late[20:25]]
    await store_as_then(database, sql, *waiting)
    await migrate(empty_database_url)
    kept = see([*folded, *late[:20], *waiting])
    yield Updated(database, sql, [*see(long_ago), *see(aged), *kept], kept)
    await sql.close()
    await database.close()


async def ask(database: Database, start: datetime, end: datetime) -> DashboardRows:
    """Read the dashboard of a range of days from rollups."""
    starts = [start + number * DAY for number in range((end - start) // DAY)]
    async with Reader(database).snapshot(60) as snapshot:
        survey = await survey_dashboard(snapshot, previous_start=start - (end - start), period_starts=starts, end=end)
        return await sum_dashboard(snapshot, survey)


def expect(events: Sequence[Seen], start: datetime, end: datetime) -> DashboardRows:
    """Work the same dashboard out from events."""
    places: dict[object, int] = {(start + place * DAY).date(): place for place in range((end - start) // DAY)}
    return expected_dashboard(events, start, end, places=places, bucket="day", zone=UTC_ZONE)


def expect_as_known(updated: Updated, start: datetime, end: datetime) -> DashboardRows:
    """Work out what can be told: of all events what rollups always knew, of those that are kept everything."""
    everything, kept = expect(updated.events, start, end), expect(updated.kept, start, end)
    return replace(
        kept,
        figures=replace(
            kept.figures,
            events=everything.figures.events,
            revenue=everything.figures.revenue,
            users=everything.figures.users,
            mean_view_duration=everything.figures.mean_view_duration,
            streams=replace(kept.figures.streams, watch_duration=everything.figures.streams.watch_duration),
        ),
        totals=everything.totals,
        platforms=everything.platforms,
        series=everything.series,
    )


def comparable(rows: DashboardRows) -> DashboardRows:
    """Leave out the previous range and the answer's own metadata; write amounts without trailing zeros."""

    def bare(revenue: Sequence[RevenueTotal]) -> tuple[RevenueTotal, ...]:
        return tuple(replace(row, amount=f"{Decimal(row.amount).normalize():f}") for row in revenue)

    figures = replace(rows.figures, users=0, revenue=bare(rows.figures.revenue), median_view_duration=None)
    return DashboardRows(
        figures=figures,
        previous=figures,
        totals=[replace(total, previous_count=0) for total in rows.totals if total.count],
        platforms=rows.platforms,
        series=rows.series if not rows.unknown_series else (),
        top_content=rows.top_content,
        top_paths=[replace(path, revenue=bare(path.revenue)) for path in rows.top_paths],
        as_of=rows.as_of,
    )


async def check(updated: Updated, start: datetime, end: datetime) -> None:
    """Compare all that the dashboard of a range shows; estimates are as near as they say."""
    found, expected = await ask(updated.database, start, end), expect_as_known(updated, start, end)
    if found.unknown_series:
        expected = replace(expected, series=())
    assert not [span for span in found.unknown if span.end > start]
    assert comparable(found) == comparable(expected)
    assert found.figures.users == pytest.approx(expected.figures.users, rel=3 * STANDARD_ERROR, abs=1)
    median = expected.figures.median_view_duration
    assert found.figures.median_view_duration == (None if median is None else pytest.approx(median, rel=LARGEST_ERROR))


async def check_all(updated: Updated) -> None:
    """Compare the dashboards of days with and without frozen hours, and of months."""
    for start, end in (
        (FOLDED, END),
        (AGED, FOLDED),
        (AGED, END),
        (AGED - DAY, datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)),
    ):
        await check(updated, start, end)


async def dump(sql: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Read all rollups and first sights."""
    tables = {table: f"timeframe, timestamp, frozen, {columns}" for table, columns in TABLES.items()}
    tables |= {"analytics_first_sights": "actor, first_at", "analytics_new_actors": "hour, count"}
    return {
        table: [tuple(row) for row in await sql.fetch(f"SELECT {columns} FROM {table} ORDER BY {columns}")]
        for table, columns in tables.items()
    }


async def test_dashboards_tell_all_that_is_known_before_the_first_fold_and_after_it(updated: Updated) -> None:
    """Of events that are kept everything; of those that have aged out nothing is missing but what was never noted."""
    await check_all(updated)
    await fold(updated.database)
    await check_all(updated)
    whole = await ask(updated.database, AGED, END)
    assert whole.figures.events == 3 * EVENTS_A_DAY + 27
    assert whole.figures.sessions < expect(updated.events, AGED, END).figures.sessions


async def test_a_fold_makes_of_old_rollups_what_a_rebuild_makes(updated: Updated) -> None:
    """Verify agrees before, when deltas stand for what will be folded, and after; a rebuild changes nothing more."""
    ever = (LONG_AGO, END)
    assert (await verify(updated.database, *ever)).differences == []
    touched = await updated.sql.fetch("SELECT hour AS time FROM analytics_aggregation_deltas WHERE count = 0")
    live = await updated.sql.fetch(
        "SELECT timestamp AS time FROM analytics_aggregations WHERE timeframe = 'hour' AND NOT frozen"
    )
    assert {row["time"] for row in touched} == {row["time"] for row in live}
    frozen_before = [row for row in (await dump(updated.sql))["analytics_aggregations"] if row[2]]
    await fold(updated.database)
    assert (await verify(updated.database, *ever)).differences == []
    assert await updated.sql.fetchval("SELECT count(*) FROM analytics_aggregation_deltas") == 0
    folded = await dump(updated.sql)
    assert [row for row in folded["analytics_aggregations"] if row[2]] == frozen_before
    await rebuild(updated.database, *ever)
    assert await dump(updated.sql) == folded
    # From nothing but raw events and frozen rollups, too.
    for table in TABLES:
        await updated.sql.execute(f"DELETE FROM {table} WHERE NOT frozen")
    for table in ("analytics_first_sights", "analytics_new_actors"):
        await updated.sql.execute(f"DELETE FROM {table}")
    await rebuild(updated.database, *ever)
    assert await dump(updated.sql) == folded


async def test_what_is_known_outlives_events_hours_and_days(updated: Updated) -> None:
    """Frozen rollups of old and of new become one."""
    await fold(updated.database)
    month = Timeframe.MONTH.start_of(AGED)
    await purge_aged(updated.database, RetentionPolicy(90, 91, 92), LATER)
    assert await updated.sql.fetch("SELECT 1 FROM analytics_aggregations WHERE timeframe IN ('hour', 'day')") == []
    await check(updated, month, Timeframe.MONTH.end_of(month))
