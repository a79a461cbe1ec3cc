"""The block store against a real Postgres: exactly once, whatever happens to rows, connections and rivals."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.blocks import store as store_module
from storage.blocks import transaction
from storage.blocks.pseudonyms import ActorKeyError, Pseudonyms
from storage.blocks.store import SMALL_ROWS, BlockStore
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.write.batch import EVENT_ID, Batch, WriteOutcome
from storage.write.fingerprint import fingerprint
from tests.integration.write_line import Cut, Line, Moment
from tests.rows import ACTORS, NOON, make_batch, make_rejection, make_row, make_store
from tests.stored import rows_in_blocks

STORED, DUPLICATE = WriteOutcome.STORED, WriteOutcome.DUPLICATE
CONFLICT, REFUSED = WriteOutcome.CONFLICT, WriteOutcome.REFUSED
Row = tuple[Any, ...]
SIZES = (1, SMALL_ROWS, SMALL_ROWS + 1)
"""The first two take one round trip, the last one a transaction with COPY."""


@pytest.fixture
async def store(database: Database) -> AsyncIterator[BlockStore]:
    """A store."""
    made = make_store(database)
    yield made
    await made.close()


async def stored_rows(sql: Connection) -> list[Row]:
    """Read all events; and see that each is stored once, and that the ledgers tell the same."""
    rows = await rows_in_blocks(sql)
    keys = await sql.fetch("SELECT event_id, fingerprint FROM analytics_event_keys")
    assert sorted((str(key["event_id"]), key["fingerprint"]) for key in keys) == sorted(
        (row[EVENT_ID], fingerprint(row)) for row in rows
    )
    assert await sql.fetchval("SELECT coalesce(sum(stored), 0)::bigint FROM analytics_ingest_ledger") == len(rows)
    return rows


def make_rows(number: int) -> list[Row]:
    """Make rows that differ."""
    return [make_row(sequence=place, timestamp=NOON + timedelta(seconds=place)) for place in range(number)]


@pytest.mark.parametrize("size", SIZES)
async def test_a_batch_comes_back_as_it_was_written(store: BlockStore, sql: Connection, size: int) -> None:
    """In one block, with its bounds and its keys."""
    rows = make_rows(size)
    assert await store.store(make_batch(rows)) == [STORED] * size
    assert await stored_rows(sql) == rows
    bounds = await sql.fetchrow("SELECT rows, first_at, last_at FROM analytics_blocks")
    assert bounds is not None
    assert tuple(bounds) == (size, NOON, NOON + timedelta(seconds=size - 1))


@pytest.mark.parametrize("size", SIZES)
async def test_repeats_within_a_batch_and_across_batches_are_duplicates(
    store: BlockStore, sql: Connection, size: int
) -> None:
    """The first one counts; all others of the batch are stored."""
    rows = make_rows(size)
    assert await store.store(make_batch([*rows, rows[0]])) == [STORED] * size + [DUPLICATE]
    more = make_rows(size)
    assert await store.store(make_batch([rows[-1], *more])) == [DUPLICATE] + [STORED] * size
    assert await store.store(make_batch(rows)) == [DUPLICATE] * size
    assert await stored_rows(sql) == rows + more
    assert await sql.fetchval("SELECT sum(duplicates)::int FROM analytics_ingest_ledger") == size + 2


@pytest.mark.parametrize("size", SIZES)
async def test_another_event_under_a_stored_id_is_a_conflict(store: BlockStore, sql: Connection, size: int) -> None:
    """It goes to the quarantine; its neighbours are stored."""
    first = make_row()
    await store.store(make_batch([first]))
    other, rows = make_row(event_id=first[EVENT_ID], user_id="user-2"), make_rows(size)
    assert await store.store(make_batch([other, *rows])) == [CONFLICT] + [STORED] * size
    assert await stored_rows(sql) == [first, *rows]
    assert await sql.fetchval("SELECT reason FROM analytics_rejected_events") == "ID_CONFLICT"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("poison", [{"event_id": "not-a-uuid"}, {"user_agent": "a\0b"}])
async def test_a_row_that_cannot_be_stored_costs_its_neighbours_nothing(
    store: BlockStore, sql: Connection, size: int, poison: dict[str, Any]
) -> None:
    """It alone is refused."""
    rows, bad = make_rows(size), make_row(**poison)
    assert await store.store(make_batch([*rows, bad])) == [STORED] * size + [REFUSED]
    assert await stored_rows(sql) == rows
    assert await sql.fetchval("SELECT sum(rejected)::int FROM analytics_ingest_ledger") == 1


async def test_rejections_are_kept_with_and_without_rows(store: BlockStore, sql: Connection) -> None:
    """And counted in the ledger; a batch without rows stores no block."""
    assert await store.store(make_batch([], [make_rejection()])) == []
    assert await sql.fetchval("SELECT count(*) FROM analytics_blocks") == 0
    row = make_row()
    assert await store.store(make_batch([row], [make_rejection()])) == [STORED]
    assert await stored_rows(sql) == [row]
    assert await sql.fetchval("SELECT sum(rejected)::int FROM analytics_ingest_ledger") == 2


@pytest.mark.parametrize("size", SIZES)
async def test_two_stores_that_get_the_same_rows_at_once_store_each_once(
    database: Database, store: BlockStore, sql: Connection, size: int
) -> None:
    """In other orders and with other neighbours; nobody deadlocks."""
    rival, rows = make_store(database), make_rows(4 * size)
    told: list[tuple[str, WriteOutcome]] = []

    async def send(sender: BlockStore, order: Sequence[Row]) -> None:
        for start in range(0, len(order), size):
            part = order[start : start + size]
            told.extend(zip([row[EVENT_ID] for row in part], await sender.store(make_batch(part)), strict=True))

    await asyncio.gather(send(store, rows), send(rival, rows[::-1]))
    await rival.close()
    assert store.retries == rival.retries == 0
    assert Counter(event_id for event_id, outcome in told if outcome is STORED) == {row[EVENT_ID]: 1 for row in rows}
    assert sorted(await stored_rows(sql)) == sorted(rows)


@pytest.mark.parametrize("size", SIZES)
async def test_a_committed_batch_is_recalled_and_not_written_again(
    store: BlockStore, sql: Connection, size: int
) -> None:
    """Under its identity, through any store; with the outcomes that it had."""
    rows = make_rows(size)
    bad = make_row(event_id="not-a-uuid")
    batch = make_batch([*rows, rows[0], bad])
    outcomes = await store.store(batch)
    again = replace(batch, identity=store.give_up_identity())
    assert await store.store(again) == outcomes == [STORED] * size + [DUPLICATE, REFUSED]
    assert await stored_rows(sql) == rows
    assert await sql.fetchval("SELECT sum(stored)::int FROM analytics_ingest_ledger") == size


async def test_a_batch_that_was_not_committed_is_written_under_its_identity(store: BlockStore, sql: Connection) -> None:
    """The ledger does not know it."""
    batch = Batch([make_row()], (), datetime.now(UTC), identity=store.give_up_identity())
    batch = replace(batch, identity=replace(batch.identity, number=1))  # type: ignore[type-var] # it has one
    assert await store.store(batch) == [STORED]
    assert await store.store(batch) == [STORED]
    assert await stored_rows(sql) == list(batch.rows)


@pytest.mark.parametrize(
    ("form", "moment"),
    [
        (form, moment)
        for form in ("small", "copied", "contended")
        for moment in Moment
        if moment is not Moment.ASKED and (form, moment) != ("small", Moment.CLAIMED)  # which is but one statement
    ],
)
async def test_a_cut_at_any_moment_of_the_transaction_stores_a_batch_once(
    database_url: str, tmp_path: Path, sql: Connection, form: str, moment: Moment
) -> None:
    """The ledger tells the next attempt whether the lost one was committed."""
    line = Line(tmp_path, database_url)
    await line.open()
    database = await Database.open(line.url)
    store = make_store(database)
    await store.store(make_batch([make_row()]))  # connects
    rows = make_rows(SMALL_ROWS if form == "small" else SMALL_ROWS + 1)
    repeats = rows[:1] if form == "contended" else []
    rejections = [make_rejection()] if form != "small" else []
    line.plan([Cut(moment)])
    assert await store.store(make_batch(rows + repeats, rejections)) == [STORED] * len(rows) + [DUPLICATE] * len(
        repeats
    )
    assert line.cuts == {moment: 1}
    assert store.retries == 1
    assert (await stored_rows(sql))[1:] == rows
    assert await sql.fetchval("SELECT count(*) FROM analytics_rejected_events") == len(rejections)
    await store.close()
    await database.close()
    await line.close()


@pytest.mark.parametrize("is_committed", [False, True])
async def test_a_small_batch_whose_answer_is_lost_is_stored_once(
    store: BlockStore, sql: Connection, monkeypatch: pytest.MonkeyPatch, *, is_committed: bool
) -> None:
    """Its one statement is a transaction: the ledger tells whether it was committed."""
    original, calls = transaction.store_small, 0

    async def lose(connection: Connection, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if is_committed:
            await original(connection, *arguments)
        connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("cut off")

    monkeypatch.setattr(store_module, "store_small", lose)
    rows = make_rows(3)
    assert await store.store(make_batch(rows)) == [STORED] * 3
    assert await stored_rows(sql) == rows
    assert (calls, store.retries) == (1, 1)


async def test_a_database_that_stays_away_is_an_outage_and_nothing_is_stored(
    database: Database, store: BlockStore, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The identity of the batch then tells whether it was committed."""
    monkeypatch.setattr(store_module, "RETRY_FOR_S", 0.1)

    async def fail() -> Connection:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(database, "connect_writer", fail)
        batch = make_batch([make_row()])
        with pytest.raises(StorageUnavailableError):
            await store.store(batch)
    assert await store.store(replace(batch, identity=store.give_up_identity())) == [STORED]
    assert await stored_rows(sql) == list(batch.rows)


async def test_a_cancelled_write_leaves_a_store_that_can_be_used(store: BlockStore, sql: Connection) -> None:
    """The lock of a rival keeps it waiting; it ends, and the next batch is stored."""
    await store.store(make_batch([make_row()]))
    async with sql.transaction():
        await sql.execute("LOCK TABLE analytics_event_keys IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await store.store(make_batch(make_rows(100)))
    assert await store.store(make_batch([make_row()])) == [STORED]
    assert len(await stored_rows(sql)) == 2


async def test_the_first_key_of_a_database_is_the_only_one(sql: Connection) -> None:
    """Another one is refused, with the place where it was read; and the database learns nothing of the key."""
    await ACTORS.check(sql)
    await ACTORS.check(sql)
    with pytest.raises(ActorKeyError, match=r"read from /var/other\.key"):
        await Pseudonyms(b"o" * 32, "/var/other.key").check(sql)
    await Pseudonyms(b"k" * 32, "elsewhere").check(sql)


def test_pseudonyms_are_keyed_and_stay_as_they_are() -> None:
    """They lie in segments: a changed hash would make every actor another one."""
    assert ACTORS.of("user-1") == -3629218315450492920
    assert Pseudonyms(b"o" * 32, "").of("user-1") != ACTORS.of("user-1")
    assert all(-(2**63) <= ACTORS.of(f"user-{number}") < 2**63 for number in range(100))
