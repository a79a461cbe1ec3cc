"""The daily partitions: made once, by the first process that needs them, without blocking the others."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from storage.partitions import DAYS_AHEAD, DAYS_PER_TRANSACTION, MAX_DAYS_AHEAD, Partitions, day_of
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.write.batch import WriteOutcome
from tests.rows import NOON, make_batch, make_row, make_store

DAY = date(2026, 3, 10)


async def attached(sql: Connection) -> dict[str, str]:
    """Read the partitions and their bounds."""
    rows = await sql.fetch(
        "SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bounds FROM pg_class "
        "JOIN pg_inherits ON inhrelid = pg_class.oid WHERE inhparent = 'analytics_events'::regclass"
    )
    return {row["relname"]: row["bounds"] for row in rows}


async def test_a_day_runs_from_midnight_to_midnight_utc(database: Database, sql: Connection) -> None:
    """Whatever the server's own time zone is."""
    assert await Partitions(database).ensure([DAY]) == 1
    await sql.execute("SET TimeZone = 'UTC'")
    assert await attached(sql) == {
        "analytics_events_20260310": "FOR VALUES FROM ('2026-03-10 00:00:00+00') TO ('2026-03-11 00:00:00+00')"
    }


async def test_a_partition_has_the_indexes_of_its_parent(database: Database, sql: Connection) -> None:
    """Attached to the parent's, so that they are maintained and dropped together."""
    await Partitions(database).ensure([DAY])
    children = await sql.fetchval(
        "SELECT count(*) FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid "
        "WHERE indrelid = 'analytics_events_20260310'::regclass"
    )
    assert children == 2


async def test_no_partitioned_table_has_a_default_and_a_missing_day_is_made_by_the_writer(
    database: Database, sql: Connection
) -> None:
    """A default would forbid to detach concurrently. Events find their day all the same, known to be missing or not."""
    partitions = Partitions(database)
    store = make_store(database, partitions)
    await partitions.ensure([day_of(NOON)])
    await sql.execute("DROP TABLE analytics_events_20260310")
    for moment in (NOON, NOON - timedelta(days=800)):
        assert await store.store(make_batch([make_row(timestamp=moment)])) == [WriteOutcome.STORED]
    await store.close()
    stored = await sql.fetch(
        "SELECT timestamp, tableoid::regclass::text AS day FROM analytics_events ORDER BY timestamp"
    )
    assert [tuple(row) for row in stored] == [
        (NOON - timedelta(days=800), "analytics_events_20231231"),
        (NOON, "analytics_events_20260310"),
    ]
    defaults = await sql.fetch(
        "SELECT partrelid::regclass::text AS name, partdefid <> 0 AS has FROM pg_partitioned_table"
    )
    assert [tuple(row) for row in defaults] == [("analytics_events", False)]


async def test_ensuring_again_makes_nothing(database: Database, sql: Connection) -> None:
    """Neither by the one who knows nor by one who does not."""
    partitions = Partitions(database)
    assert await partitions.ensure([DAY, DAY]) == 1
    assert await partitions.ensure([DAY]) == 0
    assert await Partitions(database).ensure([DAY]) == 0
    assert partitions.known == {DAY}
    assert len(await attached(sql)) == 1


async def test_many_makers_at_once_make_each_day_once(database: Database, sql: Connection) -> None:
    """More days than one transaction takes, in ranges that overlap."""
    days = [DAY - timedelta(days=number) for number in range(DAYS_PER_TRANSACTION + 20)]
    makers = [Partitions(database) for _ in range(4)]
    made = await asyncio.gather(*(maker.ensure(days[10 * place :]) for place, maker in enumerate(makers)))
    assert sum(made) == len(days) == len(await attached(sql))


async def test_the_days_ahead_include_today(database: Database) -> None:
    """Today and the week after it."""
    today = datetime.now(UTC).date()
    partitions = Partitions(database)
    assert await partitions.ensure_ahead(today) == DAYS_AHEAD + 1
    assert partitions.known == {today + timedelta(days=number) for number in range(DAYS_AHEAD + 1)}


async def test_days_out_of_bounds_are_not_made(database: Database, sql: Connection) -> None:
    """The bounds themselves are."""
    now = datetime(2026, 3, 10, 23, tzinfo=UTC)
    partitions = Partitions(database, now=lambda: now)
    latest = DAY + timedelta(days=MAX_DAYS_AHEAD)
    for day in (date(1969, 12, 31), latest + timedelta(days=1)):
        with pytest.raises(ValueError, match="no partition may be made"):
            await partitions.ensure([DAY, day])
    assert await attached(sql) == {}
    assert await partitions.ensure([date(1970, 1, 1), latest]) == 2


async def test_refresh_forgets_what_was_dropped_or_detached(database: Database, sql: Connection) -> None:
    """And learns what others have made."""
    partitions = Partitions(database)
    await partitions.ensure([DAY, DAY + timedelta(days=1)])
    await sql.execute("DROP TABLE analytics_events_20260310")
    await sql.execute("ALTER TABLE analytics_events DETACH PARTITION analytics_events_20260311")
    await Partitions(database).ensure([DAY - timedelta(days=1)])
    await partitions.refresh()
    assert partitions.known == {DAY - timedelta(days=1)}


async def test_a_day_that_is_detached_but_not_dropped_is_worth_a_retry(database: Database, sql: Connection) -> None:
    """Retention drops it in a moment; to attach it again would bring back what is meant to go."""
    partitions = Partitions(database)
    await partitions.ensure([DAY])
    await sql.execute("ALTER TABLE analytics_events DETACH PARTITION analytics_events_20260310")
    await partitions.refresh()
    with pytest.raises(StorageUnavailableError):
        await partitions.ensure([DAY])
    await sql.execute("DROP TABLE analytics_events_20260310")
    assert await partitions.ensure([DAY]) == 1


async def test_partitions_of_other_names_are_left_alone(database: Database, sql: Connection) -> None:
    """An operator may keep an archive of his own under the table."""
    await sql.execute(
        "CREATE TABLE archive PARTITION OF analytics_events FOR VALUES FROM ('1971-01-01+00') TO ('1972-01-01+00')"
    )
    partitions = Partitions(database)
    await partitions.refresh()
    assert partitions.known == frozenset()
    assert await partitions.ensure([DAY]) == 1


async def test_readers_and_writers_do_not_hold_up_a_new_day(database: Database, sql: Connection) -> None:
    """A write or report is an open transaction on the table, which PARTITION OF would wait for."""
    partitions = Partitions(database)
    await partitions.ensure([DAY])
    await sql.execute("BEGIN")
    await sql.execute("SELECT count(*) FROM analytics_events")
    await sql.execute(
        "INSERT INTO analytics_events (event_id, timestamp, received_at, sequence, event_type, schema_version, "
        "actor_id, event_data) VALUES (gen_random_uuid(), '2026-03-10+00', now(), 0, 'view', '1.0.0', 'a', '{}')"
    )
    async with asyncio.timeout(5):
        assert await partitions.ensure([DAY + timedelta(days=1)]) == 1
    await sql.execute("ROLLBACK")


def test_the_day_of_a_moment_is_reckoned_in_utc() -> None:
    """An hour before midnight in New York is the next day."""
    assert day_of(datetime.fromisoformat("2026-03-09T23:30:00-04:00")) == DAY
