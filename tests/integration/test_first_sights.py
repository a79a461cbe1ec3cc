"""First sights: who is new in an hour, after late events, removed ones and purges."""

from datetime import datetime, timedelta

from storage.postgres.database import Connection, Database
from storage.rollups import fold, rebuild, verify
from tests.integration.folded import EVER, purge, store
from tests.rows import NOON, make_row

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


async def new_actors(sql: Connection) -> dict[datetime, int]:
    """Read how many actors are new in each hour, and make sure that the count is that of the first sights."""
    counted = await sql.fetch("SELECT hour, count FROM analytics_new_actors ORDER BY hour")
    assert counted == await sql.fetch(
        "SELECT date_trunc('hour', first_at, 'UTC') AS hour, count(*) FROM analytics_first_sights GROUP BY 1 ORDER BY 1"
    )
    return {row["hour"]: row["count"] for row in counted}


async def remove(sql: Connection, user_id: str, hour: datetime) -> None:
    """Remove a user's events of an hour, and tell the fold."""
    await sql.execute(
        "WITH removed AS (DELETE FROM analytics_events WHERE user_id = $1 AND timestamp >= $2 AND timestamp < $3 "
        "RETURNING event_type) INSERT INTO analytics_aggregation_deltas (hour, event_type, count) "
        "SELECT $2, event_type, -count(*) FROM removed GROUP BY event_type",
        user_id,
        hour,
        hour + HOUR,
    )


async def test_an_actor_is_new_once(database: Database, sql: Connection) -> None:
    """In the hour of its first event, whichever fold sees it; without a user it is its session that is new."""
    await store(
        database,
        make_row(user_id="a"),
        make_row(user_id="a", timestamp=NOON + HOUR),
        make_row(user_id="b", timestamp=NOON + HOUR),
        make_row(user_id=None, session_id="s", timestamp=NOON + HOUR),
    )
    await fold(database)
    assert await new_actors(sql) == {NOON: 1, NOON + HOUR: 2}
    await store(database, make_row(user_id="b", timestamp=NOON + 2 * HOUR), make_row(user_id="c"))
    await fold(database)
    assert await new_actors(sql) == {NOON: 2, NOON + HOUR: 2}


async def test_an_event_of_nobody_is_counted_and_not_remembered(database: Database, sql: Connection) -> None:
    """It cannot come back: the rollups add such events up."""
    await store(database, *(make_row(user_id=None, session_id=None) for _ in range(3)), make_row())
    await fold(database)
    assert await new_actors(sql) == {NOON: 1}
    anonymous = "SELECT metadata #>> '{actors,anonymous}' FROM analytics_aggregations WHERE timeframe = 'month'"
    assert await sql.fetchval(anonymous) == "3"


async def test_a_late_event_moves_a_first_sight(database: Database, sql: Connection) -> None:
    """And changes the count of an hour that is not folded."""
    await store(database, make_row(user_id="a"), make_row(user_id="b"))
    await fold(database)
    await store(database, make_row(user_id="a", timestamp=NOON - 3 * DAY))
    await fold(database)
    assert await new_actors(sql) == {NOON: 1, NOON - 3 * DAY: 1}
    await store(database, make_row(user_id="b", timestamp=NOON - DAY))
    await fold(database)
    assert await new_actors(sql) == {NOON - DAY: 1, NOON - 3 * DAY: 1}
    assert (await verify(database, *EVER)).differences == []


async def test_a_removed_first_event_makes_the_next_one_first(database: Database, sql: Connection) -> None:
    """In the same hour, in one that is not folded, or none at all; what comes later changes nothing."""
    minute = timedelta(minutes=1)
    await store(
        database,
        *(make_row(user_id=name) for name in "abc"),
        make_row(user_id="a", timestamp=NOON + HOUR + minute),
        make_row(user_id="a", timestamp=NOON + DAY),
        make_row(user_id="b", timestamp=NOON + 2 * DAY),
    )
    await fold(database)
    assert await new_actors(sql) == {NOON: 3}
    for name in "abc":
        await remove(sql, name, NOON)
    await fold(database)
    assert await new_actors(sql) == {NOON + HOUR: 1, NOON + 2 * DAY: 1}
    await remove(sql, "a", NOON + DAY)
    await fold(database)
    assert await new_actors(sql) == {NOON + HOUR: 1, NOON + 2 * DAY: 1}
    assert (await verify(database, *EVER)).differences == []


async def test_who_comes_back_after_the_purge_is_not_new(database: Database, sql: Connection) -> None:
    """Late events of the purged hour add to it, and what has aged out is not taken for removed."""
    await store(database, make_row(user_id="a"), make_row(user_id="b"))
    await purge(database, sql, NOON)
    await store(database, make_row(user_id="a", timestamp=NOON + 9 * DAY), make_row(user_id="c"))
    await fold(database)
    assert await new_actors(sql) == {NOON: 3}
    assert (await verify(database, *EVER)).differences == []
    await rebuild(database, *EVER)
    assert await new_actors(sql) == {NOON: 3}


async def test_verify_finds_wrong_first_sights_and_rebuild_mends_them(database: Database, sql: Connection) -> None:
    """A missing one, a late one, an early one, one of nobody, and a wrong count."""
    await store(database, *(make_row(user_id=name, timestamp=NOON + HOUR) for name in "abcd"), make_row(user_id="e"))
    await fold(database)
    move = "UPDATE analytics_first_sights SET first_at = first_at + interval"
    tampered = (
        "DELETE FROM analytics_first_sights WHERE actor = hashtextextended('a', 0)",
        f"{move} '9 days' WHERE actor = hashtextextended('b', 0)",
        f"{move} '-1 hour' WHERE actor = hashtextextended('c', 0)",
        "INSERT INTO analytics_first_sights SELECT 7, first_at FROM analytics_first_sights LIMIT 1",
        "UPDATE analytics_new_actors SET count = count + 1",
    )
    for change in tampered:
        await sql.execute(change)
        assert {one.event_type for one in (await verify(database, *EVER)).differences} == {""}
        await rebuild(database, *EVER)
        assert (await verify(database, *EVER)).differences == []
        assert await new_actors(sql) == {NOON: 1, NOON + HOUR: 4}
