"""Reading segments: through the cache, past damage, and beside a catalogue that changes."""

import asyncio
import os
import random
from collections import Counter
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from storage.postgres.database import Connection, Database
from storage.postgres.errors import StorageUnavailableError
from storage.postgres.statements import statements_of
from storage.segments import snapshot as snapshot_module
from storage.segments.catalogue import Segment, SegmentChange
from storage.segments.errors import SegmentDamagedError, SegmentMissingError
from storage.segments.files import Range
from storage.segments.parts import PartCache
from storage.segments.scopes import EventScope
from storage.segments.store import SegmentStore
from storage.write.batch import TIMESTAMP
from tests.event_tables import KNOWN
from tests.integration.segment_stage import Server, count, make_rows, use_small_sizes
from tests.rows import ACTORS, NOON, make_batch

AT_ONCE = timedelta(0)
PACKAGES = ("storage.blocks", "storage.segments", "storage.events_table")
STATEMENTS = [
    (package, path.name.removesuffix(".sql"))
    for package in PACKAGES
    for path in sorted(files(package).joinpath("sql").iterdir(), key=lambda path: path.name)
]


@pytest.fixture
async def server(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server with an empty cache."""
    use_small_sizes(monkeypatch)
    return Server(database, tmp_path / "cache")


async def fill(server: Server, rows: int = 30) -> Counter[tuple[object, ...]]:
    """Store rows, seal most of them, and return all."""
    made = make_rows(rows, random.Random(1))  # noqa: S311 - of a test
    for start in range(0, rows, 6):
        await server.store.store(make_batch(made[start : start + 6]))
    while await server.seal():
        pass
    late = make_rows(3, random.Random(2))  # noqa: S311
    await server.store.store(make_batch(late))
    await server.store.close()
    return count([*made, *late])


async def test_a_second_reader_finds_everything_in_the_cache(
    server: Server, sql: Connection, database: Database, tmp_path: Path
) -> None:
    """The place is asked no more; what is damaged there is fetched again, and what nobody needs is swept."""
    events = await fill(server)
    assert await server.read() == events
    kept = sorted((tmp_path / "cache").glob("*/*"))
    kept[0].write_bytes(b"damaged")
    assert await Server(database, tmp_path / "cache").read() == events
    assert kept[0].read_bytes() != b"damaged"
    await sql.execute("TRUNCATE analytics_segment_parts_0")
    assert await Server(database, tmp_path / "cache").read() == events
    server.cache.sweep([segment.checksum for segment in (await server.catalogue.list_segments())[1:]])
    with pytest.raises(SegmentMissingError):
        await Server(database, tmp_path / "cache").read()


def test_a_cache_keeps_what_was_used_last_within_its_bound(tmp_path: Path) -> None:
    """A sweep removes the rest."""
    cache = PartCache(tmp_path, max_bytes=25)
    parts = [Range(10 * number, 10, 0xE38A6876) for number in range(4)]  # of ten NUL bytes
    for number, part in enumerate(parts):
        cache.put(b"a", part, bytes(10))
        path = next(tmp_path.glob(f"*/{part.offset}"))
        assert cache.get(b"a", part) == bytes(10)
        os.utime(path, (number, number))
    cache.sweep([b"a"])
    assert [cache.get(b"a", part) is not None for part in parts] == [False, False, True, True]
    assert PartCache(tmp_path / "file" / "nowhere", max_bytes=1).get(b"a", parts[0]) is None


@pytest.mark.parametrize("place", [0, 300, 700])
async def test_a_flipped_byte_is_named_and_never_counted_and_other_segments_answer(
    server: Server, sql: Connection, place: int
) -> None:
    """A report over others goes on."""
    await fill(server)
    segments = await server.catalogue.list_segments()
    damaged = segments[-1]
    changed = await sql.execute(
        "UPDATE analytics_segment_parts_0 SET data = set_byte(data, $2, get_byte(data, $2) # 16) "
        "WHERE segment_id = $1 AND part = 0",
        damaged.id,
        place + 4,
    )
    assert changed == "UPDATE 1"
    with pytest.raises(SegmentDamagedError, match=str(damaged.id)):
        await server.read()
    assert await server.read(EventScope(end=segments[-1].first_at))
    await server.catalogue.change(SegmentChange(replaced=[damaged]))
    assert await server.read()


async def test_a_scope_reads_what_may_hold_its_events(server: Server) -> None:
    """By time and by actor; the reader of the tables filters the rest."""
    events = await fill(server, 60)
    start, end = NOON - timedelta(days=2), NOON - timedelta(days=1)
    found = await server.read(EventScope(start=start, end=end))
    wanted = {row for row in events if start <= row[TIMESTAMP] < end}  # type: ignore[operator] # times
    assert wanted <= found.keys() < events.keys()
    actor = ACTORS.of("user-7")
    found = await server.read(EventScope(low_actor=actor, high_actor=actor))
    assert {row for row in events if row[8] == "user-7"} <= found.keys() < events.keys()


async def test_a_reader_whose_segments_were_swept_starts_over(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads what has replaced them; where that happens again and again, it says so."""
    events = await fill(server, 60)
    original, changes = snapshot_module.take_snapshot, 1

    async def change_after_looking(*arguments: object, **options: object) -> object:
        nonlocal changes
        taken = await original(*arguments, **options)  # type: ignore[arg-type] # passed on
        if changes:
            changes -= 1
            assert await server.merge()
            await server.catalogue.sweep(longest_write=AT_ONCE, replaced_stay=AT_ONCE)
        return taken

    monkeypatch.setattr(snapshot_module, "take_snapshot", change_after_looking)
    assert await server.read() == events
    assert changes == 0


async def test_replaced_segments_stay_for_readers_that_have_seen_them(server: Server, sql: Connection) -> None:
    """A sweep by the clock leaves them for two minutes, and what is under way for an hour."""
    await fill(server, 60)
    assert await server.merge()
    assert await server.catalogue.sweep() == 0
    assert await server.catalogue.sweep(replaced_stay=AT_ONCE) == 3
    states = await sql.fetch("SELECT DISTINCT state FROM analytics_segments")
    assert [row["state"] for row in states] == ["live"]
    stored = await sql.fetch(
        "SELECT segment_id FROM analytics_segment_parts_0 UNION SELECT segment_id FROM analytics_segment_parts_1"
    )
    segments = await server.catalogue.list_segments()
    assert {row["segment_id"] for row in stored} == {segment.id for segment in segments}


@pytest.mark.parametrize(("package", "name"), STATEMENTS)
async def test_statement_is_understood_and_says_what_it_is_for(
    server: Server,  # noqa: ARG001 - its tables must be there
    sql: Connection,
    package: str,
    name: str,
) -> None:
    """Preparing finds unknown tables, columns and functions, and parameters of no type."""
    text = statements_of(package)(name)
    assert text.startswith("-- ")
    assert "SELECT *" not in text
    await sql.prepare(text.format(table="analytics_segment_parts_0") if "{table}" in text else text)


async def test_the_cache_is_swept_of_what_is_no_longer_live(
    server: Server, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every minute, by whoever reads; a database that is away for a moment stops it for as long."""
    await fill(server)
    await server.read()
    store = SegmentStore(database, KNOWN, cache_folder=tmp_path / "cache", cache_bytes=1 << 30)
    cached = sorted((tmp_path / "cache").glob("*"))
    await store.sweep_cache()
    assert sorted((tmp_path / "cache").glob("*")) == cached
    gone, *_ = await server.catalogue.list_segments()
    await server.catalogue.change(SegmentChange(replaced=[gone]))
    waits = 0

    async def wait(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 2:
            raise asyncio.CancelledError

    async def list_segments() -> list[Segment]:
        if not waits:
            raise StorageUnavailableError("away")
        return await server.catalogue.list_segments()

    monkeypatch.setattr("storage.segments.store.asyncio.sleep", wait)
    monkeypatch.setattr(store.catalogue, "list_segments", list_segments)
    with pytest.raises(asyncio.CancelledError):
        await store.keep_cache_swept()
    left = sorted((tmp_path / "cache").glob("*"))
    assert [folder for folder in cached if folder not in left] == [tmp_path / "cache" / gone.checksum.hex()]


async def test_a_full_disk_under_the_cache_fails_no_report(server: Server, tmp_path: Path) -> None:
    """Here the folder is a file: nothing can be kept, and all is read."""
    (tmp_path / "cache").write_text("")
    events = await fill(server)
    with capture_logs() as logs:
        assert await server.read() == events
    assert {line["event"] for line in logs} == {"segment_cache_unwritable"}
