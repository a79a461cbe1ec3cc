"""The ingest ledger counts every event once, and tells whether a batch was committed."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from storage.blocks.store import BlockStore
from storage.postgres.database import Connection, Database
from storage.write.batch import Batch, BatchIdentity, WriteOutcome
from tests.rows import NOON, make_batch, make_rejection, make_row, make_store
from tests.stored import rows_in_blocks

STORED, DUPLICATE, CONFLICT = WriteOutcome.STORED, WriteOutcome.DUPLICATE, WriteOutcome.CONFLICT
HOUR = timedelta(hours=1)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[BlockStore]:
    """A store."""
    made = make_store(database)
    yield made
    await made.close()


async def by_hour(sql: Connection) -> dict[int, tuple[int, int, int]]:
    """Read (stored, duplicates, rejected) by hour of NOON's day."""
    rows = await sql.fetch(
        "SELECT hour, sum(stored)::bigint, sum(duplicates)::bigint, sum(rejected)::bigint "
        "FROM analytics_ingest_ledger GROUP BY hour"
    )
    return {row[0].hour: (row[1], row[2], row[3]) for row in rows}


def in_doubt(batch: Batch, identity: BatchIdentity) -> Batch:
    """Take the batch for one whose first attempt went unanswered."""
    return Batch(batch.rows, batch.rejections, batch.claimed_at, identity)


async def test_a_batch_is_counted_by_the_hours_of_its_receipt(store: BlockStore, sql: Connection) -> None:
    """Events that came in two hours, and rejections in a third, whatever their own times."""
    rows = [make_row(received_at=NOON + number * HOUR, timestamp=NOON) for number in (0, 0, 1)]
    batch = make_batch([*rows, rows[0]], [make_rejection(received_at=NOON + 2 * HOUR)])
    assert await store.store(batch) == [STORED, STORED, STORED, DUPLICATE]
    assert await by_hour(sql) == {12: (2, 1, 0), 13: (1, 0, 0), 14: (0, 0, 1)}


async def test_one_writer_has_one_row_an_hour(store: BlockStore, sql: Connection) -> None:
    """However many batches it writes: the ledger does not grow with traffic."""
    for _ in range(20):
        await store.store(make_batch([make_row()], [make_rejection()]))
    rows = await sql.fetch("SELECT hour, last_batch, stored, rejected FROM analytics_ingest_ledger ORDER BY hour")
    assert [tuple(row)[1:] for row in rows] == [(20, 20, 20)]


async def test_a_committed_batch_is_recalled_and_not_counted_again(
    store: BlockStore, database: Database, sql: Connection
) -> None:
    """Another process, given the identity, finds the outcomes that the first one would have told."""
    known = make_row()
    await store.store(make_batch([known]))
    rows = [make_row(), known, make_row(event_id=known[0], user_id="x"), make_row()]
    batch = make_batch([*rows, rows[0]], [make_rejection()])
    expected = [STORED, DUPLICATE, CONFLICT, STORED, DUPLICATE]
    assert await store.store(batch) == expected
    counted = await by_hour(sql)
    other = make_store(database)
    assert await other.store(in_doubt(batch, store.give_up_identity())) == expected
    assert await by_hour(sql) == counted == {12: (3, 2, 2)}
    assert await sql.fetchval("SELECT count(*) FROM analytics_rejected_events") == 2
    await other.close()


async def test_a_batch_that_was_not_committed_is_written_under_its_identity(
    store: BlockStore, database: Database, sql: Connection
) -> None:
    """And then the ledger has it, for the next process that asks."""
    identity = BatchIdentity(str(uuid.uuid4()), 7)
    batch = in_doubt(make_batch([make_row()]), identity)
    assert await store.store(batch) == [STORED]
    assert await sql.fetchval("SELECT last_batch FROM analytics_ingest_ledger") == 7
    other = make_store(database)
    assert await other.store(batch) == [STORED]
    assert await by_hour(sql) == {12: (1, 0, 0)}
    await other.close()


async def test_two_attempts_at_one_batch_at_once_count_it_once(database: Database, sql: Connection) -> None:
    """The first may still be committing on the server when the second begins on another connection."""
    batch = in_doubt(
        make_batch([make_row() for _ in range(200)], [make_rejection()]), BatchIdentity(str(uuid.uuid4()), 1)
    )
    stores = [make_store(database) for _ in range(4)]
    answers = await asyncio.gather(*(store.store(batch) for store in stores))
    assert answers == [[STORED] * 200] * 4
    assert await by_hour(sql) == {12: (200, 0, 1)}
    assert await rows_in_blocks(sql) == batch.rows
    assert await sql.fetchval("SELECT count(*) FROM analytics_rejected_events") == 1
    for store in stores:
        await store.close()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_batch_without_rows_is_counted_once_over_a_broken_commit(
    store: BlockStore, sql: Connection, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    """Rejections claim no ids: the ledger alone tells whether they were written."""
    write = BlockStore._write
    broken = False

    async def break_once(self: BlockStore, *arguments: Any, **options: Any) -> list[WriteOutcome]:
        nonlocal broken
        if broken:
            return await write(self, *arguments, **options)
        broken = True
        if committed:
            await write(self, *arguments, **options)
        raise ConnectionResetError

    monkeypatch.setattr(BlockStore, "_write", break_once)
    await store.store(make_batch([], [make_rejection(), make_rejection()]))
    assert await by_hour(sql) == {12: (0, 0, 2)}
    assert await sql.fetchval("SELECT count(*) FROM analytics_rejected_events") == 2


async def test_a_given_up_identity_is_never_used_again(store: BlockStore, sql: Connection) -> None:
    """Later batches of the store must not pass for the one in doubt."""
    await store.store(make_batch([make_row()]))
    given = store.give_up_identity()
    await store.store(make_batch([make_row()]))
    writers = await sql.fetch("SELECT CAST(writer_id AS text), last_batch FROM analytics_ingest_ledger")
    assert len({row[0] for row in writers}) == 2
    assert dict(tuple(row) for row in writers)[given.writer_id] == given.number == 1
