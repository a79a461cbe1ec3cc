"""New pseudonyms: all stored events get them, wherever a run was killed, and no service starts meanwhile."""

import itertools
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from storage.blocks.codec import BlockError
from storage.blocks.pseudonyms import ActorKeyError, Pseudonyms
from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.segments.passes.rekeying import rekey
from storage.segments.store import SegmentStore
from tests.event_tables import KNOWN
from tests.integration.segment_stage import KilledError, killed_at
from tests.rows import ACTORS, make_batch, make_row, make_store
from tests.stored import stored_rows

NEW = Pseudonyms(b"a new key of the actors" * 2, "the test")


@pytest.fixture
async def segments(database: Database, tmp_path: Path) -> SegmentStore:
    """Two segments and a block, with actors of each kind."""
    segments = SegmentStore(database, KNOWN, cache_folder=tmp_path, cache_bytes=0)
    store = make_store(database)
    for number in range(3):
        anonymous = make_row(user_id=None, session_id=None)
        await store.store(make_batch([make_row(), make_row(user_id=None), make_row(actor_id="other"), anonymous]))
        if number < 2:
            await segments.keeper.seal(await segments.catalogue.list_blocks())
    await store.close()
    return segments


async def hashes(segments: SegmentStore) -> list[int]:
    """List the pseudonyms of all stored events."""
    tables = await segments.reader.read()
    return sorted(number for table in tables for number in table["actor_hash"].to_pylist())


async def count_opened(sql: Connection) -> int:
    """Count the keys with which a service would start."""
    opened = 0
    for key in (NEW, ACTORS):
        with suppress(ActorKeyError):
            await key.check(sql)
            opened += 1
    return opened


async def test_every_event_gets_its_new_pseudonym_and_stays_as_it_was(
    database: Database, sql: Connection, segments: SegmentStore
) -> None:
    """Of user, session, event, or an actor of its own; afterwards only the new key opens the database."""
    await ACTORS.check(sql)
    before = await stored_rows(database.address.url)
    assert await hashes(segments) == sorted(ACTORS.of(row["actor_id"]) for row in before)
    done = await rekey(database, segments, NEW)
    assert (done.segments, done.rows) == (3, 12)
    assert await stored_rows(database.address.url) == before
    assert await hashes(segments) == sorted(NEW.of(row["actor_id"]) for row in before)
    await NEW.check(sql)
    with pytest.raises(ActorKeyError):
        await ACTORS.check(sql)
    assert (await rekey(database, segments, NEW)).segments == 0


@pytest.mark.slow
async def test_a_run_that_was_killed_goes_on(database: Database, sql: Connection, segments: SegmentStore) -> None:
    """At any statement; from its first to its last, neither key opens the database."""
    before = await stored_rows(database.address.url)
    keys = itertools.cycle((NEW, ACTORS))
    opened: list[int] = []
    await ACTORS.check(sql)
    for statement in itertools.count(2, 3):
        key = next(keys)
        with killed_at(statement, is_sent=bool(statement % 2)) as is_killed:
            try:
                await rekey(database, segments, key)
            except (KilledError, StorageUnavailableError, asyncpg.InterfaceError):
                assert is_killed()
        if not is_killed():
            break
        opened.append(await count_opened(sql))
        await rekey(database, segments, key)
        assert await hashes(segments) == sorted(key.of(row["actor_id"]) for row in before)
        assert await stored_rows(database.address.url) == before
    assert statement > 15
    assert max(opened) == 1
    assert opened.count(0) > 3, "a service could have started in the middle"


async def test_a_block_that_cannot_be_read_is_named(
    database: Database, sql: Connection, segments: SegmentStore
) -> None:
    """Nothing keeps its old pseudonyms unseen."""
    damaged = await sql.fetchval(
        "UPDATE analytics_blocks SET data = set_byte(data, 40, get_byte(data, 40) # 16) RETURNING id"
    )
    with pytest.raises(BlockError, match=str(damaged)):
        await rekey(database, segments, NEW)
    with pytest.raises(ActorKeyError):
        await NEW.check(sql)
