"""The spool and damaged files: bits flipped, files cut, replaced, gone. Nothing raises, and nothing else is lost."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from storage.batch import EVENT_ID, BatchIdentity
from storage.spool import Spool, read_pending
from storage.spool.codec import GROUP_COLUMNS, decode
from storage.spool.errors import DamagedGroupError
from storage.spool.table import GroupTable
from tests.rows import NOON
from tests.unit.spool_samples import GENEROUS_BYTES, drain, drain_one, ids, make_batch, opened

pytestmark = pytest.mark.thorough

WRITER = "018f0000-0000-7000-8000-000000000001"
SIZES = (1, 1, 2, 9, 1, 40, 1, 1, 1, 1, 1, 1, 30, 1, 25, 1, 1, 1, 60, 3)
"""Events of each group: some lie in a leaf beside others, some fill many pages; enough for several leaves."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a killed process left behind.

    Attributes:
        folder: its files.
        groups: the ids of each group, in order.
        wal_ends: how long the WAL was after each.
    """

    folder: Path
    groups: list[list[str]]
    wal_ends: list[int]

    def file(self, suffix: str) -> Path:
        """Find the segment's file of a kind."""
        (path,) = self.folder.glob(f"*.{suffix}")
        return path

    def copy(self, to: Path) -> "Left":
        """Copy it, to be damaged."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder, to)
        return Left(to, self.groups, self.wal_ends)


async def leave(to: Path, *, in_database: int, removed: int = 0) -> Left:
    """Append SIZES, have the first groups copied into the database, and leave the files as a kill does."""
    folder = to.with_name(f"{to.name}-owner")
    spool = Spool(folder, max_bytes=GENEROUS_BYTES)
    groups, wal_ends = [], []
    for number, events in enumerate(SIZES):
        batch = make_batch(events, text="x" * 300, identity=BatchIdentity(WRITER, number) if number % 5 == 0 else None)
        await spool.append(batch)
        groups.append(ids([batch]))
        if number == in_database - 1:
            await spool._do(spool._folder._own.table.checkpoint)  # type: ignore[union-attr]
        wal_ends.append(sum(path.stat().st_size for path in folder.glob("*.db-wal")))
    while removed and (spooled := await spool.next_batch(max_events=1)) is not None and spooled.through <= removed:
        await spool.remove(spooled)
    shutil.copytree(folder, to)
    await spool.close()
    return Left(to, groups[removed:], wal_ends[removed:])


@pytest.fixture
async def in_wal(tmp_path: Path) -> Left:
    """All in the WAL."""
    return await leave(tmp_path / "wal", in_database=0)


@pytest.fixture
async def in_database(tmp_path: Path) -> Left:
    """All in the database."""
    return await leave(tmp_path / "database", in_database=len(SIZES))


@pytest.fixture
async def half_drained(tmp_path: Path) -> Left:
    """Half in the database and half in the WAL, and some removed."""
    return await leave(tmp_path / "both", in_database=10, removed=4)


def offsets(size: int, count: int) -> Iterator[int]:
    """Choose offsets in a file: densely at its start, where the headers are, then at random all over it."""
    chosen = random.Random(size)  # noqa: S311 - a choice that is the same in every run
    yield from range(0, min(size, 128), 9)
    yield from sorted(chosen.randrange(size) for _ in range(count))


def flip(path: Path, offset: int) -> None:
    """Flip one bit."""
    flip_at(path, offset, 1 << offset % 8)


def flip_at(path: Path, offset: int, bits: int) -> None:
    """Flip bits of one byte."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bits]))


def cut(path: Path, size: int) -> None:
    """Cut a file short."""
    with path.open("r+b") as file:
        file.truncate(size)


async def recover(left: Left, *, knows_losses: bool = True) -> set[int]:
    """Drain what is left, and tell which groups came; each came whole, once and in order, and losses are counted."""
    names = {event_id: index for index, group in enumerate(left.groups) for event_id in group}
    with capture_logs() as logs:
        readable = sum(read_pending(left.folder).values())
        async with opened(left.folder) as spool:
            drained = await drain(spool)
            lost = spool.damaged_groups
            assert spool.pending.events == 0
    came = [names[row[EVENT_ID]] for spooled in drained for row in spooled.batch.rows]
    assert came == sorted(came)
    assert [event_id for spooled in drained for event_id in ids([spooled])] == [
        event_id for index in sorted(set(came)) for event_id in left.groups[index]
    ]
    assert readable >= len(came)
    warnings = [line for line in logs if line["event"] == "spool_damaged"]
    if knows_losses:
        assert lost == len(left.groups) - len(set(came))
        assert (lost > 0) <= (len(warnings) > 0)
        assert sum(line["lost_groups"] for line in warnings) == lost
    assert {path.suffix for path in left.folder.iterdir()} <= ({".damaged", ".damaged-wal"} if lost else set())
    return set(came)


def readable_by_sqlite(left: Left) -> set[int]:
    """Tell which groups SQLite alone still finds: the oracle that the salvage must not fall short of."""
    found = set()
    columns = ", ".join(GROUP_COLUMNS)
    connection = sqlite3.connect(left.file("db"))
    for index in range(len(left.groups)):
        position = index + 1 + len(SIZES) - len(left.groups)
        try:
            record = connection.execute(f"SELECT {columns} FROM spooled WHERE position = ?", (position,)).fetchone()
            if record is not None and decode(record).position == position:
                found.add(index)
        except (sqlite3.Error, DamagedGroupError):
            continue
    connection.close()
    return found


async def test_undamaged_files_lose_nothing(in_wal: Left, in_database: Left) -> None:
    """The tests below stand on this."""
    assert await recover(in_wal) == await recover(in_database) == set(range(len(SIZES)))


async def test_a_flipped_bit_in_the_wal_costs_one_group(in_wal: Left, tmp_path: Path) -> None:
    """SQLite would drop all that follows it, in silence."""
    whole = set(range(len(SIZES)))
    for offset in offsets(in_wal.file("db-wal").stat().st_size, 60):
        left = in_wal.copy(tmp_path / "copy")
        flip(left.file("db-wal"), offset)
        before = {index for index in whole if left.wal_ends[index] <= offset}
        came = await recover(left)
        assert came >= before
        # The leaf that several groups share is written again with each of them, so an older version has the others.
        assert len(whole - came) <= 1


async def test_a_frame_of_the_wal_that_lies_about_itself_costs_one_group(in_wal: Left, tmp_path: Path) -> None:
    """Its header says which page it is, and whether a transaction ends: both may hide the pages of other groups."""
    frames = (in_wal.wal_ends[-1] - 32) // 4120
    for frame in range(0, frames, 2):
        left = in_wal.copy(tmp_path / "copy")
        flip_at(left.file("db-wal"), 32 + frame * 4120 + (7 if frame % 3 else 3), 4)
        assert len(in_wal.groups) - len(await recover(left)) <= 1


async def test_a_cut_wal_keeps_what_was_before_the_cut(in_wal: Left, tmp_path: Path) -> None:
    """Also when it is cut between two transactions, where SQLite sees a shorter, perfect WAL."""
    ends = in_wal.wal_ends
    for size in sorted({*offsets(ends[-1], 20), *ends}):
        left = in_wal.copy(tmp_path / "copy")
        cut(left.file("db-wal"), size)
        assert await recover(left) >= {index for index, end in enumerate(ends) if end <= size}


@pytest.mark.parametrize(("checkpoint_at", "removed"), [(len(SIZES), 0), (10, 4)])
async def test_a_flipped_bit_in_the_database_costs_one_leaf_at_most(
    checkpoint_at: int, removed: int, tmp_path: Path
) -> None:
    """Whichever byte it is: header, inner page, leaf, body. And the salvage finds all that SQLite finds."""
    original = await leave(tmp_path / "left", in_database=checkpoint_at, removed=removed)
    for offset in offsets(original.file("db").stat().st_size, 40):
        left = original.copy(tmp_path / "copy")
        flip(left.file("db"), offset)
        oracle = readable_by_sqlite(left.copy(tmp_path / "oracle"))
        came = await recover(left)
        assert came >= oracle
        assert len(left.groups) - len(came) <= 8  # a leaf has room for no more of these


async def test_a_schema_that_is_no_text_any_more_loses_nothing(in_database: Left, tmp_path: Path) -> None:
    """SQLite then quotes what cannot be decoded, and Python fails over its message."""
    end_of_first_page = in_database.file("db").read_bytes().index(b"body BLOB)") + 10
    for offset in range(end_of_first_page - 250, end_of_first_page, 7):
        left = in_database.copy(tmp_path / "copy")
        flip_at(left.file("db"), offset, 0x80)
        assert await recover(left) == set(range(len(SIZES)))


async def test_a_cut_database_keeps_what_was_before_the_cut(in_database: Left, tmp_path: Path) -> None:
    """SQLite refuses such a file as a whole, so an empty tail is put back for it to be the oracle."""
    size = in_database.file("db").stat().st_size
    for cut_at in offsets(size, 30):
        left = in_database.copy(tmp_path / "copy")
        cut(left.file("db"), cut_at)
        oracle = left.copy(tmp_path / "oracle")
        cut(oracle.file("db"), cut_at // 4096 * 4096)
        cut(oracle.file("db"), size)
        assert await recover(left) >= readable_by_sqlite(oracle)


async def test_a_damaged_lock_loses_nothing_that_is_left(half_drained: Left, tmp_path: Path) -> None:
    """Without its note nothing tells what was removed, but the database does."""
    for offset in range(0, 69, 7):
        left = half_drained.copy(tmp_path / "copy")
        flip(left.file("lock"), offset)
        assert await recover(left) == set(range(len(left.groups)))
    left = half_drained.copy(tmp_path / "copy")
    left.file("lock").unlink()
    assert await recover(left) == set(range(len(left.groups)))


@pytest.mark.parametrize("suffix", ["db", "db-wal"])
async def test_a_file_that_is_gone_costs_what_it_held(half_drained: Left, suffix: str) -> None:
    """The other one still gives what it has."""
    half_drained.file(suffix).unlink()
    came = await recover(half_drained)
    in_database, in_wal = set(range(6)), set(range(6, 16))
    if suffix == "db-wal":
        assert came == in_database
    else:
        # And those beside which later ones were written: the WAL has their leaf too.
        assert came > in_wal
        assert not came >= in_database


@pytest.mark.parametrize("content", [b"", b"this is no database at all" * 1000, bytes(1 << 16)])
async def test_a_file_that_is_no_database_is_kept_for_people(in_database: Left, content: bytes) -> None:
    """It is reported in one line, and what is appended meanwhile is drained."""
    in_database.file("db").write_bytes(content)
    with capture_logs() as logs:
        async with opened(in_database.folder) as spool:
            batch = make_batch()
            await spool.append(batch)
            assert ids(await drain(spool)) == ids([batch])
            assert spool.damaged_groups == len(SIZES)
    segment = in_database.file("damaged").stem
    assert in_database.file("damaged").read_bytes() == content
    assert logs == [
        {"log_level": "warning", "event": "spool_damaged", "segment": segment, "lost_groups": len(SIZES), "kept": 0}
    ]


async def test_losses_that_nothing_counts_are_unknown(in_database: Left) -> None:
    """Neither the database nor the note can be read."""
    in_database.file("db").write_bytes(b"nothing")
    in_database.file("lock").write_bytes(b"nothing")
    with capture_logs() as logs:
        async with opened(in_database.folder) as spool:
            assert spool.damaged_groups == 1
    assert [line["lost_groups"] for line in logs] == ["unknown"]
    assert read_pending(in_database.folder) == {}


async def test_what_sqlite_cannot_read_is_counted_all_the_same(in_database: Left) -> None:
    """For the command line: pending by hour, from pages, while the damaged segment waits."""
    flip(in_database.file("db"), 3)
    assert read_pending(in_database.folder) == {NOON: sum(SIZES)}


async def test_our_own_segment_damaged_under_us_is_replaced(tmp_path: Path) -> None:
    """The append goes to a new one, and what can be read of the old one is drained before it."""
    async with opened(tmp_path) as spool:
        first, second = make_batch(50, text="x" * 300), make_batch()
        await spool.append(first)
        await spool._do(spool._folder._own.table.checkpoint)  # type: ignore[union-attr]
        database = next(tmp_path.glob("*.db"))
        with database.open("r+b") as file:
            file.write(b"no database any more")
        # SQLite keeps pages in memory, and looks at the file again after somebody else has written.
        await spool._do(lambda: _forget_pages(spool))
        await spool.append(second)
        assert len(list(tmp_path.glob("*.db"))) == 2
        assert spool.pending.events == 51
        assert ids(await drain(spool)) == ids([first, second])
        assert spool.damaged_groups == 0
    assert list(tmp_path.iterdir()) == []


def _forget_pages(spool: Spool) -> None:
    own = spool._folder._own
    assert own is not None
    assert own.table is not None
    own.table._connection = GroupTable.open_to_read(own.files)._connection


async def test_a_group_of_our_own_damaged_under_us_is_skipped(tmp_path: Path) -> None:
    """The others are drained, and appends go on."""
    async with opened(tmp_path) as spool:
        batches = [make_batch(50, text=text * 300) for text in "abc"]
        for batch in batches:
            await spool.append(batch)
        await spool._do(spool._folder._own.table.checkpoint)  # type: ignore[union-attr]
        (database,) = tmp_path.glob("*.db")
        content = database.read_bytes()
        database.write_bytes(content.replace(b"b" * 300, b"b" * 299 + b"?", 1))
        await spool._do(lambda: _forget_pages(spool))
        assert ids(await drain(spool)) == ids([batches[0], batches[2]])
        assert spool.damaged_groups == 1
        await spool.append(batches[1])
        assert ids(await drain(spool)) == ids([batches[1]])
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]


async def test_what_was_handed_out_keeps_its_identity_when_its_last_group_is_lost(in_wal: Left) -> None:
    """It may be committed under that identity already."""
    async with opened(in_wal.folder) as spool:
        await drain_one(spool)
        handed = await spool.next_batch(max_events=20)
    assert handed is not None
    assert handed.through == 5
    cut(in_wal.file("db-wal"), in_wal.wal_ends[4] - 1)
    async with opened(in_wal.folder) as spool:
        again = await spool.next_batch()
        assert again is not None
        assert ids([again]) == [event_id for group in in_wal.groups[1:4] for event_id in group]
        assert again.batch.identity == handed.batch.identity
        assert again.through == 5
        await drain(spool)
        assert spool.damaged_groups == len(SIZES) - 4


async def test_a_position_that_is_not_its_group_s_costs_that_group(in_database: Left) -> None:
    """A damaged key may be any number; nobody counts up to it."""
    connection = sqlite3.connect(in_database.file("db"))
    connection.execute("UPDATE spooled SET position = 1 << 60 WHERE position = 7")
    connection.commit()
    connection.close()
    assert await recover(in_database) == set(range(len(SIZES))) - {6}
