"""Rollups: what they hold, and that they hold it after late events, freezing and purges."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from storage.partitions import day_of
from storage.postgres.database import Connection, Database
from storage.postgres.errors import DayClosedError, LeaseTakenError
from storage.rollups import Timeframe, close_day, drop_hours_and_days, fold, rebuild, verify
from storage.rollups.folding import LEASE, exclusive_rollups
from storage.rollups.forms.sketch import estimate, unpack
from storage.rollups.raw.raw_events import read_events
from tests.integration.folded import EVER, purge, store
from tests.rows import NOON, make_batch, make_row, make_store

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MIDNIGHT = NOON - 12 * HOUR


async def counts(sql: Connection, timeframe: str) -> dict[tuple[datetime, str], int]:
    """Read the rollups' counts by period and type, frozen and live ones together."""
    rows = await sql.fetch(
        "SELECT timestamp, event_type, sum(count)::bigint AS count FROM analytics_aggregations "
        "WHERE timeframe = $1 GROUP BY 1, 2",
        timeframe,
    )
    return {(row["timestamp"], row["event_type"]): row["count"] for row in rows}


async def test_an_hour_holds_what_the_dashboard_adds_up(database: Database, sql: Connection) -> None:
    """Platforms, revenue and orders by currency, durations, viewers and started sessions; amounts stay exact."""
    await store(
        database,
        make_row(event_data='{"contentType":"post","contentId":"p","viewDuration":1.5}', platform="ios"),
        make_row(event_data='{"contentType":"post","contentId":"p","viewDuration":2}', platform=None),
        make_row(),
        make_row(event_type="purchase", event_data='{"amount":0.10,"currency":"EUR"}'),
        make_row(event_type="purchase", event_data='{"amount":0.20,"currency":"EUR"}'),
        make_row(event_type="purchase", event_data='{"amount":99999999999999999.99,"currency":"USD"}'),
        make_row(event_type="stream", event_data='{"streamId":"s","action":"leave","watchDuration":60}'),
        make_row(event_type="stream", event_data='{"streamId":"s","action":"join","viewerCount":7}', platform="ios"),
        make_row(event_type="stream", event_data='{"streamId":"t","action":"join","viewerCount":5}'),
        make_row(event_type="session", event_data='{"action":"start"}'),
        make_row(event_type="session", event_data='{"action":"end"}'),
    )
    report = await fold(database)
    assert (report.hours, report.events, report.start, report.end) == (1, 11, NOON, NOON + HOUR)
    rows = await sql.fetch("SELECT event_type, count, metadata FROM analytics_aggregations WHERE timeframe = 'hour'")
    held = {row["event_type"]: (row["count"], row["metadata"]) for row in rows}
    latest = {"receivedAt": round((NOON + timedelta(seconds=1)).timestamp() * 1e6)}
    assert {name: (count, orjson.loads(metadata)) for name, (count, metadata) in held.items()} == {
        "view": (
            3,
            {
                "platforms": {"ios": 1, "web": 1, "": 1},
                "viewDuration": {"sum": 3.5, "count": 2},
                "viewDurations": {"21": 1, "35": 1},
                "max": latest,
            },
        ),
        "purchase": (
            3,
            {
                "platforms": {"web": 3},
                "orders": {"EUR": 2, "USD": 1},
                "revenue": {"EUR": 0.3, "USD": 99999999999999999.99},
                "max": latest,
            },
        ),
        "stream": (
            3,
            {
                "platforms": {"web": 2, "ios": 1},
                "watchDuration": {"sum": 60, "count": 1},
                "viewers": {"sum": 12, "count": 2},
                "max": {"viewers": 7, **latest},
            },
        ),
        "session": (2, {"platforms": {"web": 2}, "sessions": {"started": 1}, "max": latest}),
    }
    assert '"EUR": 0.30' in held["purchase"][1]
    assert "99999999999999999.99" in held["purchase"][1]


async def test_days_weeks_and_months_are_sums_of_their_parts(database: Database, sql: Connection) -> None:
    """Across the end of a year, where a week belongs to both."""
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    microsecond = timedelta(microseconds=1)
    await store(
        database,
        make_row(timestamp=new_year - microsecond),
        make_row(timestamp=new_year),
        make_row(timestamp=new_year + HOUR),
    )
    await fold(database)
    assert await counts(sql, "hour") == {
        (new_year - HOUR, "view"): 1,
        (new_year, "view"): 1,
        (new_year + HOUR, "view"): 1,
    }
    assert await counts(sql, "day") == {(new_year - DAY, "view"): 1, (new_year, "view"): 2}
    assert await counts(sql, "week") == {(datetime(2025, 12, 29, tzinfo=UTC), "view"): 3}
    assert await counts(sql, "month") == {(datetime(2025, 12, 1, tzinfo=UTC), "view"): 1, (new_year, "view"): 2}
    metadata = await sql.fetchval("SELECT metadata FROM analytics_aggregations WHERE timeframe = 'week'")
    latest = {"receivedAt": round((NOON + timedelta(seconds=1)).timestamp() * 1e6)}
    assert orjson.loads(metadata) == {"platforms": {"web": 3}, "max": latest}


@pytest.mark.parametrize("seconds", ["0", "0.0005", "0.001", "0.07", "1", "1.000001", "59.9", "3600", "86400"])
async def test_a_view_duration_is_within_one_percent_of_its_bucket(
    database: Database, sql: Connection, seconds: str
) -> None:
    """Or is taken for a millisecond."""
    await store(database, make_row(event_data=f'{{"viewDuration":{seconds}}}'))
    await fold(database)
    metadata = await sql.fetchval("SELECT metadata FROM analytics_aggregations WHERE timeframe = 'month'")
    ((bucket, count),) = orjson.loads(metadata)["viewDurations"].items()
    ratio = 1.01 / 0.99
    assert count == 1
    assert 2 * ratio ** int(bucket) / (ratio + 1) == pytest.approx(max(float(seconds), 0.001), rel=0.0100001)


async def test_longer_periods_add_buckets_up_and_keep_the_highest_viewer_count(
    database: Database, sql: Connection
) -> None:
    """Also where one of the parts is frozen, and comes back live."""
    views = [make_row(event_data=f'{{"viewDuration":{n // 2 + 1}}}', timestamp=NOON + n % 3 * HOUR) for n in range(6)]
    watched = [
        make_row(event_type="stream", event_data=f'{{"viewerCount":{n}}}', timestamp=NOON + n * HOUR) for n in (3, 1, 2)
    ]
    await store(database, *views, *watched)
    await purge(database, sql, NOON)
    await store(database, make_row(event_type="stream", event_data='{"viewerCount":2}'))
    await fold(database)
    rows = await sql.fetch("SELECT event_type, metadata FROM analytics_aggregations WHERE timeframe = 'month'")
    held = {row["event_type"]: orjson.loads(row["metadata"]) for row in rows}
    assert held["view"]["viewDurations"] == {"0": 2, "35": 2, "55": 2}
    assert held["stream"]["viewers"] == {"sum": 8, "count": 4}
    assert held["stream"]["max"]["viewers"] == 3


async def test_sketches_count_actors_sessions_and_streams_once(database: Database, sql: Connection) -> None:
    """In the hour, and over the day, whose hours share them; of all types together."""
    await store(
        database,
        *(make_row(user_id=f"u{n % 50}", session_id=f"s{n % 70}", timestamp=NOON + n % 3 * HOUR) for n in range(700)),
        make_row(user_id="u1", session_id=None, event_type="purchase", event_data='{"amount":1,"currency":"EUR"}'),
        *(
            make_row(
                user_id="u1",
                session_id=None,
                event_type="stream",
                event_data=f'{{"streamId":"s{n % 20}"}}',
                timestamp=NOON + n % 3 * HOUR,
            )
            for n in range(60)
        ),
    )
    await fold(database)
    for timeframe, rows in (("hour", 3), ("day", 1), ("week", 1), ("month", 1)):
        sketches = await sql.fetch(
            "SELECT actors, sessions, streams FROM analytics_distinct_sketches WHERE timeframe = $1", timeframe
        )
        assert len(sketches) == rows
        for kind, expected in (("actors", 50), ("sessions", 70), ("streams", 20)):
            assert {round(estimate(unpack(row[kind]))) for row in sketches} == {expected}


async def test_late_events_change_their_hours(database: Database, sql: Connection) -> None:
    """And removed ones, down to nothing: removing raw rows appends deltas, as writing them does."""
    await store(database, make_row())
    await fold(database)
    await store(database, make_row(), make_row(timestamp=NOON - 9 * DAY))
    assert (await fold(database)).hours == 2
    assert await counts(sql, "hour") == {(NOON, "view"): 2, (NOON - 9 * DAY, "view"): 1}
    await sql.execute("DELETE FROM analytics_events")
    await sql.execute(
        "INSERT INTO analytics_aggregation_deltas (hour, event_type, count) VALUES ($1, 'view', -2), ($2, 'view', -1)",
        NOON,
        NOON - 9 * DAY,
    )
    assert (await fold(database)).events == -3
    for timeframe in ("hour", "day", "week", "month"):
        assert await counts(sql, timeframe) == {}
    assert await sql.fetchval("SELECT count(*) FROM analytics_distinct_sketches") == 0


async def test_a_batch_that_commits_during_a_fold_is_left_to_the_next(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold sees neither its rows nor its deltas, and deletes no delta that it has not seen."""
    await store(database, make_row())

    async def aggregate_late(connection: Connection, hours: Sequence[datetime]) -> Any:
        await store(database, make_row())
        return await read_events(connection, hours)

    monkeypatch.setattr("storage.rollups.folding.read_events", aggregate_late)
    assert (await fold(database)).events == 1
    assert await counts(sql, "hour") == {(NOON, "view"): 1}
    assert (await verify(database, *EVER)).differences == []
    monkeypatch.undo()
    assert (await fold(database)).events == 1
    assert await counts(sql, "hour") == {(NOON, "view"): 2}


async def test_many_hours_are_folded_in_several_transactions(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import of years must not be one transaction."""
    monkeypatch.setattr("storage.rollups.folding.HOURS_PER_FOLD", 4)
    await store(database, *(make_row(timestamp=NOON + n * HOUR) for n in range(10)))
    report = await fold(database)
    assert (report.hours, report.events) == (10, 10)
    assert sum((await counts(sql, "month")).values()) == 10


async def test_a_second_fold_waits_and_gives_up(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deltas stay for the next one."""
    monkeypatch.setattr("storage.rollups.folding.LEASE_WAIT_S", 0.1)
    await store(database, make_row())
    async with exclusive_rollups(database):
        with pytest.raises(LeaseTakenError, match=f"busy with the {LEASE}"):
            await fold(database)
    assert (await fold(database)).events == 1
    assert await counts(sql, "hour") == {(NOON, "view"): 1}


async def test_a_closed_day_is_frozen_and_takes_nothing(database: Database, sql: Connection) -> None:
    """Closing folds what is unfolded; writers, those who knew the day included, are told to come back."""
    day = day_of(NOON)
    knowing = make_store(database)
    await knowing.store(make_batch([make_row()]))
    await close_day(database, day, NOON)
    await close_day(database, day, NOON)
    frozen = await sql.fetch("SELECT frozen, count FROM analytics_aggregations WHERE timeframe = 'hour'")
    assert [tuple(row) for row in frozen] == [(True, 1)]
    for writer in (knowing, make_store(database)):
        with pytest.raises(DayClosedError):
            await writer.store(make_batch([make_row()]))
        await writer.close()
    assert (await verify(database, *EVER)).differences == []
    assert (await rebuild(database, *EVER)).hours == 0
    assert await counts(sql, "hour") == {(NOON, "view"): 1}


async def test_late_events_of_a_purged_day_add_to_it(database: Database, sql: Connection) -> None:
    """Once and again; their sketches merge with the frozen ones."""
    for turn in range(1, 4):
        await store(database, make_row(user_id=f"u{turn}"), make_row(user_id="u0", timestamp=NOON + turn * HOUR))
        await fold(database)
        assert (await counts(sql, "hour"))[NOON, "view"] == turn
        assert await counts(sql, "day") == {(MIDNIGHT, "view"): 2 * turn}
        assert (await verify(database, *EVER)).differences == []
        await purge(database, sql, NOON)
        assert await counts(sql, "day") == {(MIDNIGHT, "view"): 2 * turn}
        actors = await sql.fetchval("SELECT actors FROM analytics_distinct_sketches WHERE timeframe = 'month'")
        assert round(estimate(unpack(actors))) == turn + 1


async def test_hours_and_days_go_and_longer_rollups_remember(database: Database, sql: Connection) -> None:
    """Month by month, with late events after each purge: nothing is lost or counted twice."""
    first = datetime(2026, 1, 28, 12, tzinfo=UTC)
    days = [first + number * DAY for number in range(8)]
    expected_month = {(datetime(2026, 1, 1, tzinfo=UTC), "view"): 4, (datetime(2026, 2, 1, tzinfo=UTC), "view"): 4}
    await store(database, *(make_row(timestamp=day) for day in days))
    await fold(database)
    assert (await drop_hours_and_days(database, hours_before=EVER[1], days_before=EVER[1])).hours.rows == 0
    for day in days:
        await purge(database, sql, day)
    cut = datetime(2026, 2, 3, tzinfo=UTC)
    dropped = await drop_hours_and_days(database, hours_before=cut, days_before=None)
    assert dropped.hours.rows == 6
    assert dropped.hours.bytes > 0
    assert len(await counts(sql, "hour")) == 2
    assert len(await counts(sql, "day")) == 8
    dropped = await drop_hours_and_days(database, hours_before=None, days_before=EVER[1])
    assert dropped.days.rows == 6
    assert await counts(sql, "month") == expected_month
    assert sum((await counts(sql, "week")).values()) == 8
    for day in days:
        await store(database, make_row(timestamp=day))
    await fold(database)
    assert (await verify(database, first - DAY, first + 9 * DAY)).differences == []
    assert await counts(sql, "month") == {key: 2 * count for key, count in expected_month.items()}
    for day in days:
        await purge(database, sql, day)
    await drop_hours_and_days(database, hours_before=EVER[1], days_before=EVER[1])
    assert await counts(sql, "hour") == await counts(sql, "day") == {}
    assert await counts(sql, "month") == {key: 2 * count for key, count in expected_month.items()}
    assert sum((await counts(sql, "week")).values()) == 16


async def test_verify_finds_what_was_tampered_with_and_rebuild_mends_it(database: Database, sql: Connection) -> None:
    """A count, a metadata key, a missing and a surplus row, a sketch; with deltas waiting, too."""
    await store(database, make_row(), make_row(timestamp=NOON + HOUR), make_row(timestamp=NOON + 2 * HOUR))
    await fold(database)
    found = await verify(database, NOON, NOON + HOUR)
    assert (found.events, found.rollups, found.differences) == (3, 6, [])
    await sql.execute("UPDATE analytics_aggregations SET count = 7 WHERE timeframe = 'hour' AND timestamp = $1", NOON)
    await sql.execute(
        "UPDATE analytics_aggregations SET metadata = '{}' WHERE timeframe = 'hour' AND timestamp = $1", NOON + HOUR
    )
    await sql.execute("DELETE FROM analytics_aggregations WHERE timeframe = 'week'")
    await sql.execute("UPDATE analytics_distinct_sketches SET actors = sessions WHERE timeframe = 'month'")
    await sql.execute("INSERT INTO analytics_aggregations VALUES ('hour', $1, 'ghost', false, 1, '{}')", NOON)
    differences = (await verify(database, NOON, NOON + HOUR)).differences
    assert {(one.timeframe, one.time, one.event_type) for one in differences} >= {
        (Timeframe.HOUR, NOON, "view"),
        (Timeframe.HOUR, NOON, "ghost"),
        (Timeframe.HOUR, NOON + HOUR, "view"),
        (Timeframe.WEEK, MIDNIGHT - DAY, "view"),
        (Timeframe.MONTH, datetime(2026, 3, 1, tzinfo=UTC), ""),
    }
    await store(database, make_row(timestamp=NOON + 3 * HOUR))
    await rebuild(database, NOON, NOON + HOUR)
    assert (await verify(database, *EVER)).differences == []
    assert (await fold(database)).events == 0
    assert (await verify(database, *EVER)).differences == []


async def test_folds_beside_writers_lose_nothing(database: Database, sql: Connection) -> None:
    """Four writers, two folders, all the time."""

    async def write(number: int) -> None:
        store = make_store(database)
        for turn in range(12):
            await store.store(make_batch([make_row(timestamp=NOON + (turn + number) % 5 * HOUR) for _ in range(3)]))
        await store.close()

    async def fold_often() -> None:
        for _ in range(6):
            await fold(database)

    await asyncio.gather(*(write(number) for number in range(4)), fold_often(), fold_often())
    assert (await verify(database, *EVER)).differences == []
    await fold(database)
    assert sum((await counts(sql, "hour")).values()) == 144
    assert (await verify(database, *EVER)).differences == []
