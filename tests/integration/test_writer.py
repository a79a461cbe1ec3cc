"""The writer against a real Postgres: exactly once, whatever happens to rows, connections and callers."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from server.ingest.pipeline import reject_stored
from storage.blocks import store as store_module
from storage.blocks.store import BlockStore
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageError, StorageUnavailableError, WriterFullError
from storage.quarantine import Quarantine
from storage.spool import Spool
from storage.write.batch import EVENT_ID
from storage.write.fingerprint import fingerprint
from storage.write.writer import WriteOutcome, Writer
from tests.rows import ACTORS, NOON, make_id, make_row
from tests.stored import rows_in_blocks

STORED, DUPLICATE, REFUSED = WriteOutcome.STORED, WriteOutcome.DUPLICATE, WriteOutcome.REFUSED
Row = tuple[Any, ...]


def make_writer(database: Database, spool: Spool | None = None, **settings: Any) -> Writer:
    """Make a writer, without a spool unless one is given."""
    options: dict[str, Any] = {"connections": 2, "batch_size": None, "batch_interval_ms": None, **settings}
    quarantine = Quarantine(max_bytes=1 << 40)
    return Writer(database, quarantine, spool, reject_row=reject_stored, hash_actor=ACTORS.of, **options)


@asynccontextmanager
async def open_writer(url: str, **settings: Any) -> AsyncIterator[Writer]:
    """Run a writer with its own connections; at the end it stops in order."""
    database = await Database.open(url)
    writer = make_writer(database, **settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        try:
            yield writer
        finally:
            await writer.stop()
    await database.close()


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Writer]:
    """A writer that runs."""
    async with open_writer(database_url) as running:
        yield running


async def write(writer: Writer, rows: Sequence[Row]) -> list[WriteOutcome]:
    """Write as a stream does."""
    return await writer.write(rows, size_bytes=200 * len(rows), wait=True)


async def stored_ids(sql: Connection) -> Counter[str]:
    """Count the events of each id; and see that the ledgers tell the same as the events."""
    events = Counter(row[EVENT_ID] for row in await rows_in_blocks(sql))
    keys = {str(row[0]) for row in await sql.fetch("SELECT event_id FROM analytics_event_keys")}
    assert keys == set(events)
    assert await sql.fetchval("SELECT coalesce(sum(stored), 0)::bigint FROM analytics_ingest_ledger") == len(events)
    return events


async def test_a_row_comes_back_as_it_was_written(writer: Writer, sql: Connection) -> None:
    """Every column, with its type, and the ledger's fingerprint."""
    row = make_row(
        sequence=7,
        timestamp=NOON + timedelta(microseconds=123456),
        timestamp_source="corrected",
        user_agent='tab\t, newline\n, quote " and backslash \\',
        ip_address="ab" * 32,
        device='{"osVersion":"15"}',
        event_data='{"contentType":"post","contentId":"p\\"\\\\ü\\u4e2d","viewDuration":0.1}',
    )
    assert await write(writer, [row]) == [STORED]
    assert await rows_in_blocks(sql) == [row]
    assert await sql.fetchval("SELECT fingerprint FROM analytics_event_keys") == fingerprint(row)


async def test_repeats_are_duplicates_within_a_write_and_across_writes(writer: Writer, sql: Connection) -> None:
    """The first one is stored; outcomes come in the order of the rows."""
    first, second, third = make_row(), make_row(), make_row()
    assert await write(writer, [first, second, first]) == [STORED, STORED, DUPLICATE]
    assert await write(writer, [third, second]) == [STORED, DUPLICATE]
    assert await stored_ids(sql) == {row[0]: 1 for row in (first, second, third)}
    assert (writer.counts.stored, writer.counts.duplicates, writer.counts.rejected) == (3, 2, 0)


async def test_no_rows_are_written_at_once(database_url: str) -> None:
    """Nothing to wait for, even where nobody writes."""
    database = await Database.open(database_url)
    writer = make_writer(database, connections=1, batch_size=None, batch_interval_ms=None)
    assert await writer.write([], size_bytes=0, wait=False) == []


async def test_one_event_from_fifty_callers_at_once_is_stored_once(writer: Writer, sql: Connection) -> None:
    """One caller is told so; the others have sent a repeat."""
    event_id = make_id()
    outcomes = await asyncio.gather(
        *(writer.write([make_row(event_id=event_id)], size_bytes=200, wait=False) for _ in range(50))
    )
    assert Counter(outcome for (outcome,) in outcomes) == {STORED: 1, DUPLICATE: 49}
    assert await stored_ids(sql) == {event_id: 1}


async def test_the_same_rows_through_two_processes_worth_of_writers(database_url: str, sql: Connection) -> None:
    """Both get them in another order and in other pieces: each is stored once, nobody deadlocks, counts agree."""
    rows = [make_row(timestamp=NOON + timedelta(minutes=number)) for number in range(600)]
    shuffler = random.Random(2)  # noqa: S311 - any order will do

    async def send(writer: Writer) -> list[tuple[str, WriteOutcome]]:
        order = shuffler.sample(rows, len(rows))
        pieces = [order[start : start + 40] for start in range(0, len(order), 40)]
        outcomes = await asyncio.gather(*(write(writer, piece) for piece in pieces))
        return [
            (row[0], outcome)
            for piece, answer in zip(pieces, outcomes, strict=True)
            for row, outcome in zip(piece, answer, strict=True)
        ]

    settings = {"batch_size": 1, "batch_interval_ms": 0}  # many small transactions rather than one large one
    async with open_writer(database_url, **settings) as one, open_writer(database_url, **settings) as other:
        told = [pair for pairs in await asyncio.gather(send(one), send(other)) for pair in pairs]
        assert one.retries == other.retries == 0
    assert Counter(event_id for event_id, outcome in told if outcome is STORED) == {row[0]: 1 for row in rows}
    assert Counter(outcome for _, outcome in told) == {STORED: 600, DUPLICATE: 600}
    assert await stored_ids(sql) == {row[0]: 1 for row in rows}


@pytest.mark.parametrize(
    "fault",
    [
        {"event_data": '{"contentId":"a\\u0000b"}'},
        {"event_data": None},
        {"platform": "a\0b"},
        {"platform": "\ud800"},
        {"event_id": "not-a-uuid"},
        {"sequence": 2**63},
        {"timestamp": datetime(2026, 3, 10)},  # noqa: DTZ001 - the fault
        {"timestamp": None},
    ],
    ids=lambda fault: "{}={:.20}".format(*next((key, repr(value)) for key, value in fault.items())),
)
async def test_a_row_that_cannot_be_stored_stands_alone(writer: Writer, sql: Connection, fault: dict[str, Any]) -> None:
    """Its neighbours, before and after it and of other callers, are stored, and the writer goes on."""
    before, after, other = [make_row() for _ in range(5)], [make_row() for _ in range(3)], [make_row()]
    mixed, single = await asyncio.gather(write(writer, [*before, make_row(**fault), *after]), write(writer, other))
    assert mixed == [STORED] * 5 + [REFUSED] + [STORED] * 3
    assert single == [STORED]
    assert await stored_ids(sql) == {row[0]: 1 for row in (*before, *after, *other)}
    assert await write(writer, [make_row()]) == [STORED]
    assert (writer.counts.stored, writer.counts.rejected) == (10, 1)


async def test_connections_killed_under_load_lose_and_double_nothing(
    database_url: str, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row is answered STORED, although many an attempt was cut off, before or after its commit."""
    monkeypatch.setattr(store_module, "RETRY_FOR_S", 30.0)  # on a busy machine one batch may be hit many times
    rows = [make_row(timestamp=NOON + timedelta(seconds=number)) for number in range(3000)]
    chance = random.Random(4)  # noqa: S311 - moments that differ will do
    killed = 0

    async def kill(done: asyncio.Event) -> None:
        nonlocal killed
        while not done.is_set():
            await asyncio.sleep(chance.uniform(0.02, 0.2))
            killed += await sql.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'analytics writer' AND datname = current_database()"
            )

    done = asyncio.Event()
    async with open_writer(database_url, batch_size=1, batch_interval_ms=0) as writer, asyncio.TaskGroup() as tasks:
        tasks.create_task(kill(done))
        outcomes: list[WriteOutcome] = []
        for start in range(0, len(rows), 250):
            answers = await asyncio.gather(
                *(write(writer, rows[place : place + 25]) for place in range(start, start + 250, 25))
            )
            outcomes += [outcome for answer in answers for outcome in answer]
        done.set()
    assert killed > 0
    assert Counter(outcomes) == {STORED: len(rows)}
    assert await stored_ids(sql) == {row[0]: 1 for row in rows}


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError, asyncpg.InterfaceError, ValueError])
async def test_rows_whose_commit_went_unanswered_are_stored_and_real_repeats_are_duplicates(
    writer: Writer, sql: Connection, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The next attempt recognises what the first one has committed."""
    known, fresh = make_row(), [make_row() for _ in range(4)]
    assert await write(writer, [known]) == [STORED]
    write_once = BlockStore._write
    attempts = 0

    async def commit_and_go_silent(self: BlockStore, *arguments: Any, **options: Any) -> list[WriteOutcome]:
        nonlocal attempts
        attempts += 1
        stored = await write_once(self, *arguments, **options)
        if attempts == 1:
            raise error("gone")
        return stored

    monkeypatch.setattr(BlockStore, "_write", commit_and_go_silent)
    assert await write(writer, [fresh[0], known, *fresh[1:], fresh[0]]) == [STORED, DUPLICATE, *[STORED] * 3, DUPLICATE]
    assert attempts >= 1
    assert await stored_ids(sql) == {row[0]: 1 for row in (known, *fresh)}


async def test_rows_that_another_writer_stored_after_a_broken_attempt_are_duplicates(
    database_url: str, writer: Writer, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that broke before its commit stored nothing: who comes first then, wins."""
    row = make_row()
    write_once = BlockStore._write
    attempts = 0

    async def break_and_let_another_in(self: BlockStore, *arguments: Any, **options: Any) -> list[WriteOutcome]:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            async with open_writer(database_url) as other:
                assert await write(other, [row]) == [STORED]
            raise ConnectionResetError
        return await write_once(self, *arguments, **options)

    monkeypatch.setattr(BlockStore, "_write", break_and_let_another_in)
    assert await write(writer, [row]) == [DUPLICATE]
    assert await stored_ids(sql) == {row[0]: 1}


async def test_a_database_that_is_away_is_told_after_the_bound(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No caller waits indefinitely, and the writer still stops."""
    monkeypatch.setattr(store_module, "RETRY_FOR_S", 0.2)
    async with asyncio.timeout(10), open_writer(f"postgresql://postgres@/analytics?host={tmp_path}") as writer:
        with pytest.raises(StorageUnavailableError):
            await write(writer, [make_row()])
        assert writer.retries > 0
        assert writer.counts.failed == 1


async def test_a_database_without_the_tables_is_not_blamed_on_the_rows(empty_database_url: str) -> None:
    """A rejection would have the caller throw the event away."""
    async with open_writer(empty_database_url) as writer:
        with pytest.raises(StorageError):
            await write(writer, [make_row()])
        assert writer.counts.rejected == 0


async def test_a_full_queue_refuses_single_events_and_makes_streams_wait(database_url: str, sql: Connection) -> None:
    """With triggers that never fire by themselves nothing leaves the queue until the writer stops."""
    settings = {"batch_size": 100, "batch_interval_ms": 3_600_000, "max_queued_events": 10}
    async with open_writer(database_url, connections=1, **settings) as writer:
        await sql.execute("BEGIN; LOCK TABLE analytics_event_keys")  # the one write under way does not come back
        blocked = asyncio.create_task(write(writer, [make_row()] * 10))
        while writer.queued_events == 0 and not blocked.done():
            await asyncio.sleep(0)
        while writer.queued_events:
            await asyncio.sleep(0.001)
        queued = asyncio.create_task(write(writer, [make_row() for _ in range(10)]))  # noqa: RUF006 - left waiting on purpose
        await asyncio.sleep(0)
        stream = asyncio.create_task(write(writer, [make_row()]))
        await asyncio.sleep(0.01)
        with pytest.raises(WriterFullError):
            await writer.write([make_row()], size_bytes=1, wait=False)
        assert not queued.done()
        assert not stream.done()
        await sql.execute("ROLLBACK")
        assert await blocked == [STORED] + [DUPLICATE] * 9
        assert await queued == [STORED] * 10
        await asyncio.sleep(0.05)
        assert not stream.done()  # it has room now, and waits for the trigger
        await writer.stop()
        assert await stream == [STORED]


async def test_stop_flushes_what_waits_and_takes_nothing_more(database_url: str, sql: Connection) -> None:
    """Triggers of ten events or half a minute would keep nine events for half a minute; a stop writes them at once."""
    rows = [make_row() for _ in range(9)]
    async with open_writer(database_url, batch_size=10, batch_interval_ms=30_000) as writer:
        waiting = [asyncio.create_task(write(writer, [row])) for row in rows]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        await writer.stop()
        assert await asyncio.gather(*waiting) == [[STORED]] * 9
        with pytest.raises(StorageUnavailableError):
            await write(writer, [make_row()])
    assert await stored_ids(sql) == {row[0]: 1 for row in rows}


async def test_a_caller_who_goes_away_takes_back_what_is_not_being_written(database_url: str, sql: Connection) -> None:
    """What a write has taken already is written all the same."""
    async with open_writer(database_url, connections=1, batch_size=1, batch_interval_ms=0) as writer:
        taken, waiting = make_row(), make_row()
        await sql.execute("BEGIN; LOCK TABLE analytics_event_keys")
        first = asyncio.create_task(write(writer, [taken]))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(write(writer, [waiting]))
        await asyncio.sleep(0.01)
        assert writer.queued_events == 1
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert writer.queued_events == 0
        await sql.execute("ROLLBACK")
    assert await stored_ids(sql) == {taken[0]: 1}


async def test_a_writer_that_is_cancelled_leaves_nobody_waiting(database_url: str, sql: Connection) -> None:
    """Neither those whose write was under way nor those in the queue, nor who comes later."""
    database = await Database.open(database_url)
    writer = make_writer(database, connections=1, batch_size=1, batch_interval_ms=0)
    running = asyncio.create_task(writer.run())
    await sql.execute("BEGIN; LOCK TABLE analytics_event_keys")
    under_way = asyncio.create_task(write(writer, [make_row()]))
    await asyncio.sleep(0.1)
    queued = asyncio.create_task(write(writer, [make_row()]))
    await asyncio.sleep(0.01)
    running.cancel()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(running, under_way, queued, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        asyncio.CancelledError,
        StorageUnavailableError,
        StorageUnavailableError,
    ]
    with pytest.raises(StorageUnavailableError):
        await write(writer, [make_row()])
    await sql.execute("ROLLBACK")
    assert await stored_ids(sql) == {}
    await database.close()


async def test_stopping_a_writer_that_never_ran_leaves_nobody_waiting(database_url: str) -> None:
    """A start that fails half-way stops what it has made."""
    database = await Database.open(database_url)
    writer = make_writer(database, connections=1, batch_size=None, batch_interval_ms=None)
    waiting = asyncio.create_task(write(writer, [make_row()]))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await writer.stop()
        with pytest.raises(StorageUnavailableError):
            await waiting
    await database.close()
