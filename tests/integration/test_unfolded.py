"""What is not folded: told from what is, or left to raw events where it cannot be."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from storage.postgres.database import Connection, Database
from storage.postgres.reader import Reader
from storage.rollups import fold, folding
from storage.rollups.cover import Span
from storage.rollups.raw.unfolded import Unfolded, find_unfolded
from tests.integration.folded import EVER, store
from tests.integration.test_dashboard_rollups import ask_both, check_alike
from tests.rows import NOON, make_row

HOUR = timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database with two folded hours of events."""
    opened = await Database.open(database_url)
    await store(opened, *(make_row(timestamp=NOON + number * HOUR / 4) for number in range(8)))
    await fold(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def sql(database: Database) -> AsyncIterator[Connection]:
    """A connection of its own."""
    connection = await database.address.connect("test")
    yield connection
    await connection.close()


async def find(database: Database) -> Unfolded:
    """Find what is not folded, and see that a dashboard tells what raw events do."""
    reader = Reader(database)
    async with reader.snapshot(60) as snapshot:
        for start in (NOON - HOUR / 3, NOON + HOUR / 6):
            summed, raw = await ask_both(snapshot, start, NOON + 10 * HOUR, "UTC")
            check_alike(summed, raw)
        return await find_unfolded(snapshot, EVER[1])


async def test_nothing_is_unfolded_after_a_fold(database: Database) -> None:
    """Rollups are all there is."""
    assert await find(database) == Unfolded({}, {}, set(), {})


async def test_late_events_of_a_folded_hour_are_fresh(database: Database) -> None:
    """They are distinguished by the transaction that wrote them, and by nothing else."""
    late = NOON + HOUR / 4
    await store(
        database, make_row(timestamp=late), make_row(timestamp=late + HOUR / 2, event_type="session", event_data="{}")
    )
    await store(database, make_row(timestamp=late + HOUR / 3))
    found = await find(database)
    assert found.counts == {NOON: {"view": 2, "session": 1}}
    assert found.opaque == set()
    assert list(found.fresh) == [NOON]
    assert found.fresh[NOON] == [
        Span(moment, moment + timedelta(microseconds=1)) for moment in (late, late + HOUR / 3, late + HOUR / 2)
    ]
    assert len(found.transactions[NOON]) == 2


async def test_an_hour_that_was_never_folded_is_opaque(database: Database) -> None:
    """There is no rollup that its events could add to."""
    await store(database, make_row(timestamp=NOON + 5 * HOUR))
    found = await find(database)
    assert found.opaque == {NOON + 5 * HOUR}
    assert not found.fresh


async def test_an_hour_with_removed_events_is_opaque(database: Database, sql: Connection) -> None:
    """Its rollup counts what is not there, though as many events may have come since."""
    await store(database, make_row(timestamp=NOON))
    async with sql.transaction():
        await sql.execute("DELETE FROM analytics_events WHERE timestamp = $1", NOON + HOUR / 4)
        await sql.execute(
            "INSERT INTO analytics_aggregation_deltas (hour, event_type, count) VALUES ($1, 'view', -1)", NOON
        )
    found = await find(database)
    assert found.opaque == {NOON}
    assert not found.fresh


async def test_an_hour_whose_rollup_is_to_be_made_anew_is_opaque(database: Database, sql: Connection) -> None:
    """A migration leaves a delta of no events, and others may come on top."""
    await store(database, make_row(timestamp=NOON))
    await sql.execute("INSERT INTO analytics_aggregation_deltas (hour, event_type, count) VALUES ($1, 'view', 0)", NOON)
    found = await find(database)
    assert found.opaque == {NOON}
    assert not found.fresh


async def test_an_hour_with_events_written_under_a_savepoint_is_opaque(database: Database, sql: Connection) -> None:
    """They have another xmin than their delta."""
    async with sql.transaction():
        await copy_event(sql, NOON)
        async with sql.transaction():
            await copy_event(sql, NOON + HOUR / 4)
        await sql.execute(
            "INSERT INTO analytics_aggregation_deltas (hour, event_type, count) VALUES ($1, 'view', 2)", NOON
        )
    found = await find(database)
    assert found.opaque == {NOON}
    assert not found.fresh


async def copy_event(sql: Connection, moment: Any) -> None:
    """Store the same event once more, at the same time."""
    await sql.execute(
        "INSERT INTO analytics_events (event_id, timestamp, received_at, sequence, event_type, schema_version, "
        "actor_id, user_id, session_id, event_data) SELECT gen_random_uuid(), timestamp, received_at, sequence, "
        "event_type, schema_version, actor_id, user_id, session_id, event_data FROM analytics_events "
        "WHERE timestamp = $1",
        moment,
    )


async def test_an_hour_is_opaque_where_a_transaction_is_folded_in_part(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the same transaction wrote to it is folded; only that of another hour is not."""
    monkeypatch.setattr("storage.rollups.folding.HOURS_PER_FOLD", 1)
    await store(database, make_row(timestamp=NOON + HOUR / 2), make_row(timestamp=NOON + HOUR))
    refreshed: list[Any] = []

    async def stop_at_the_second(_connection: Connection, hours: Any) -> None:
        refreshed.append(hours)
        if len(refreshed) > 1:
            raise RuntimeError
        await refresh(_connection, hours)

    refresh = folding._refresh
    monkeypatch.setattr(folding, "_refresh", stop_at_the_second)
    with pytest.raises(RuntimeError):
        await fold(database)
    assert list((await find(database)).fresh) == [NOON + HOUR]
    await store(database, make_row(timestamp=NOON + HOUR / 2))
    found = await find(database)
    assert found.counts == {NOON: {"view": 1}, NOON + HOUR: {"view": 1}}
    assert found.opaque == {NOON}
    assert list(found.fresh) == [NOON + HOUR]


async def test_events_of_writers_that_tell_no_times_are_looked_for_in_all_of_their_hour(
    database: Database, sql: Connection
) -> None:
    """While a service is updated, older ones write beside it."""
    async with sql.transaction():
        await copy_event(sql, NOON + HOUR / 4)
        await sql.execute(
            "INSERT INTO analytics_aggregation_deltas (hour, event_type, count) VALUES ($1, 'view', 1)", NOON
        )
    await store(database, make_row(timestamp=NOON))
    found = await find(database)
    assert found.fresh == {NOON: [Span(NOON, NOON + HOUR)]}
