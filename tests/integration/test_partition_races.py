"""Days that are missing: two writers lack one at once, or several vanish during a write."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from storage.partitions import LOCK_KEY, Partitions, partition_name
from storage.postgres.database import Connection, Database
from storage.write.batch import EVENT_ID, TIMESTAMP, WriteOutcome
from tests.rows import NOON, make_batch, make_row, make_store

WRITERS = 2
WAIT_S = 10.0

HOLD_MAKERS = f"SELECT pg_advisory_xact_lock({LOCK_KEY})"
"""Those who know that the day is missing wait for their turn: the second one's turn comes when it is made."""
HOLD_ATTACHING = "LOCK TABLE analytics_events IN SHARE UPDATE EXCLUSIVE MODE"
"""Blocks the process that makes the day after it has made the table and before it attaches it."""


async def wait_for_waiters(sql: Connection, count: int) -> None:
    """Wait until so many connections of this database wait for a lock."""
    async with asyncio.timeout(WAIT_S):
        while (
            await sql.fetchval(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
            )
            < count
        ):
            await asyncio.sleep(0.01)


async def read_ids(sql: Connection, statement: str) -> list[str]:
    """Read ids as text, ascending."""
    return sorted(str(row["event_id"]) for row in await sql.fetch(statement))


def ids_of(rows: Sequence[tuple[object, ...]]) -> list[str]:
    """List the ids of rows, ascending."""
    return sorted(str(row[EVENT_ID]) for row in rows)


@pytest.mark.parametrize("hold", [HOLD_MAKERS, HOLD_ATTACHING])
async def test_writers_that_lack_the_same_day_at_once_both_store_their_batch(
    database: Database, sql: Connection, hold: str
) -> None:
    """Without an error or a retry, and each event once, also the one that both bring; there is one partition."""
    shared = make_row()
    batches = [[make_row(), shared, make_row()], [make_row(), make_row(), shared]]
    stores = [make_store(database) for _ in range(WRITERS)]
    holder = await asyncpg.connect(database.address.url)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(hold)
    writing = [asyncio.create_task(store.store(make_batch(rows))) for store, rows in zip(stores, batches, strict=True)]
    await wait_for_waiters(sql, WRITERS)
    await transaction.rollback()
    async with asyncio.timeout(WAIT_S):
        outcomes = await asyncio.gather(*writing)
    await holder.close()
    for store in stores:
        await store.close()
    flat = sorted(outcome.name for some in outcomes for outcome in some)
    assert flat == [WriteOutcome.DUPLICATE.name] + 5 * [WriteOutcome.STORED.name]
    assert [store.retries for store in stores] == [0, 0]
    expected = ids_of([*batches[0], *(row for row in batches[1] if row is not shared)])
    assert await read_ids(sql, "SELECT event_id FROM analytics_events") == expected
    assert await read_ids(sql, "SELECT event_id FROM analytics_event_keys") == expected
    deltas = await sql.fetch(
        "SELECT hour, event_type, sum(count)::int AS count FROM analytics_aggregation_deltas GROUP BY 1, 2"
    )
    assert [tuple(row) for row in deltas] == [(NOON, "view", 5)]
    partitions = await sql.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'analytics_events'::regclass"
    )
    assert [row["name"] for row in partitions] == ["analytics_events_20260310"]


@pytest.mark.finding(1)
async def test_days_that_vanish_while_a_batch_is_stored_are_no_fault_of_its_rows(
    database: Database, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of them: what is missing or closed passes, and no row is rejected for it."""
    rows = [make_row(timestamp=NOON + timedelta(days=day)) for day in range(4)]
    partitions = Partitions(database)
    await partitions.ensure({row[TIMESTAMP].date() for row in rows})
    vanishing = [partition_name(row[TIMESTAMP].date()) for row in rows]
    refresh = Partitions.refresh

    async def look_and_lose_another(self: Partitions) -> None:
        await refresh(self)
        if vanishing:
            await sql.execute(f"DROP TABLE {vanishing.pop()}")

    monkeypatch.setattr(Partitions, "refresh", look_and_lose_another)
    await sql.execute(f"DROP TABLE {vanishing.pop()}")
    store = make_store(database, partitions)
    assert await store.store(make_batch(rows)) == [WriteOutcome.STORED] * 4
    await store.close()
    assert vanishing == []
    assert await sql.fetchval("SELECT count(*) FROM analytics_rejected_events") == 0
