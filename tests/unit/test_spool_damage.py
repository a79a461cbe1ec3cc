"""The spool and damaged files: bits flipped, files cut, replaced, gone. Nothing raises, and nothing else is lost."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from storage.spool import Spool, read_pending
from storage.spool.log import MARK
from storage.write.batch import EVENT_ID, BatchIdentity
from tests.rows import NOON
from tests.unit.spool_samples import GENEROUS_BYTES, drain, drain_one, ids, make_batch, opened

pytestmark = pytest.mark.thorough

WRITER = "018f0000-0000-7000-8000-000000000001"
SIZES = (1, 1, 2, 9, 1, 40, 1, 1, 1, 1, 1, 1, 30, 1, 25, 1, 1, 1, 60, 3)
"""Events of each group."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a killed process left behind.

    Attributes:
        folder: its files.
        groups: the ids of each group, in order.
        ends: where each ends in the log.
        removed: how many groups before them were removed.
    """

    folder: Path
    groups: list[list[str]]
    ends: list[int]
    removed: int

    def file(self, suffix: str) -> Path:
        """Find the segment's file of a kind."""
        (path,) = self.folder.glob(f"*.{suffix}")
        return path

    def copy(self, to: Path) -> "Left":
        """Copy it, to be damaged."""
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.folder, to)
        return Left(to, self.groups, self.ends, self.removed)

    def group_at(self, offset: int) -> int:
        """Tell which group a byte of the log belongs to."""
        return next(index for index, end in enumerate(self.ends) if offset < end)


async def leave(to: Path, *, removed: int = 0) -> Left:
    """Append SIZES, remove the first groups, and leave the files as a kill does."""
    folder = to.with_name(f"{to.name}-owner")
    spool = Spool(folder, max_bytes=GENEROUS_BYTES)
    groups, ends = [], []
    for number, events in enumerate(SIZES):
        batch = make_batch(events, text="x" * 300, identity=BatchIdentity(WRITER, number) if number % 5 == 0 else None)
        await spool.append(batch)
        groups.append(ids([batch]))
        ends.append(sum(path.stat().st_size for path in folder.glob("*.log")))
    while removed and (spooled := await spool.next_batch(max_events=1)) is not None and spooled.through <= removed:
        await spool.remove(spooled)
    shutil.copytree(folder, to)
    await spool.close()
    return Left(to, groups, ends, removed)


@pytest.fixture
async def left(tmp_path: Path) -> Left:
    """Nothing removed."""
    return await leave(tmp_path / "left")


@pytest.fixture
async def half_drained(tmp_path: Path) -> Left:
    """The first groups removed."""
    return await leave(tmp_path / "left", removed=4)


def offsets(size: int, count: int) -> Iterator[int]:
    """Choose offsets in a file: densely at its start, where a head is, then at random all over it."""
    chosen = random.Random(size)  # noqa: S311 - a choice that is the same in every run
    yield from range(0, min(size, 200), 3)
    yield from sorted(chosen.randrange(size) for _ in range(count))


def flip(path: Path, offset: int) -> None:
    """Flip one bit."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << offset % 8)]))


def cut(path: Path, size: int) -> None:
    """Cut a file short."""
    with path.open("r+b") as file:
        file.truncate(size)


async def recover(left: Left) -> set[int]:
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
    assert lost == len(left.groups) - left.removed - len(set(came))
    assert sum(line["lost_groups"] for line in warnings) == lost
    assert {path.suffix for path in left.folder.iterdir()} <= ({".damaged"} if lost else set())
    return set(came)


async def test_undamaged_files_lose_nothing(left: Left) -> None:
    """The tests below stand on this."""
    assert await recover(left) == set(range(len(SIZES)))


async def test_a_flipped_bit_costs_its_own_group(left: Left, tmp_path: Path) -> None:
    """Wherever it is: mark, lengths, checksum, head, body."""
    for offset in offsets(left.ends[-1], 100):
        copy = left.copy(tmp_path / "copy")
        flip(copy.file("log"), offset)
        assert await recover(copy) == set(range(len(SIZES))) - {left.group_at(offset)}, offset


async def test_a_length_that_lies_costs_its_own_group(left: Left, tmp_path: Path) -> None:
    """It may claim to reach over other groups, or beyond the end."""
    for start in [0, *left.ends[:-1]]:
        copy = left.copy(tmp_path / "copy")
        with copy.file("log").open("r+b") as file:
            file.seek(start + len(MARK))
            file.write(b"\x00\x00\x01\x00\x00\x00\x20\x00" if start % 2 else b"\xff" * 8)
        assert await recover(copy) == set(range(len(SIZES))) - {left.group_at(start)}


async def test_a_cut_log_keeps_what_was_before_the_cut(left: Left, tmp_path: Path) -> None:
    """Between two groups too, where a shorter log looks perfect: the note tells how many there were."""
    for size in sorted({*offsets(left.ends[-1], 20), *left.ends}):
        copy = left.copy(tmp_path / "copy")
        cut(copy.file("log"), size)
        assert await recover(copy) == {index for index, end in enumerate(left.ends) if end <= size}


async def test_a_stretch_of_nonsense_costs_the_groups_in_it(left: Left) -> None:
    """It may even contain marks."""
    with left.file("log").open("r+b") as file:
        file.seek(left.ends[3] + 5)
        file.write((MARK + b"nonsense") * ((left.ends[6] - left.ends[3] - 10) // 16))
    assert await recover(left) == set(range(len(SIZES))) - {4, 5, 6}


async def test_without_its_note_a_segment_comes_again_as_a_whole(half_drained: Left, tmp_path: Path) -> None:
    """Nothing else tells what was removed; events that are stored twice under one id are stored once."""
    for offset in (0, 7, 25, 50, 68):
        copy = half_drained.copy(tmp_path / "copy")
        flip(copy.file("lock"), offset)
        async with opened(copy.folder) as spool:
            assert ids(await drain(spool)) == [event_id for group in half_drained.groups for event_id in group]
    half_drained.file("lock").unlink()
    async with opened(half_drained.folder) as spool:
        assert ids(await drain(spool)) == [event_id for group in half_drained.groups for event_id in group]
        assert spool.damaged_groups == 0


async def test_removed_groups_do_not_come_again_whatever_is_damaged(half_drained: Left) -> None:
    """Damage in them is no loss."""
    flip(half_drained.file("log"), half_drained.ends[1] + 40)
    assert await recover(half_drained) == set(range(4, len(SIZES)))


@pytest.mark.parametrize("content", [b"", b"this is no log at all" * 1000, bytes(1 << 16)], ids=["empty", "text", "0"])
async def test_a_file_that_is_no_log_is_kept_for_people(left: Left, content: bytes) -> None:
    """It is reported in one line, and what is appended meanwhile is drained."""
    left.file("log").write_bytes(content)
    with capture_logs() as logs:
        async with opened(left.folder) as spool:
            batch = make_batch()
            await spool.append(batch)
            assert ids(await drain(spool)) == ids([batch])
            assert spool.damaged_groups == len(SIZES)
    damaged = left.file("damaged")
    assert damaged.read_bytes() == content
    assert logs == [
        {"log_level": "warning", "event": "spool_damaged", "segment": damaged.stem, "lost_groups": len(SIZES)}
    ]


async def test_a_log_that_is_gone_is_a_loss_of_all_its_groups(half_drained: Left) -> None:
    """The note tells how many there were."""
    half_drained.file("log").unlink()
    assert await recover(half_drained) == set()


async def test_losses_that_nothing_counts_are_unknown(left: Left) -> None:
    """Neither the log nor the note can be read."""
    left.file("log").write_bytes(b"nothing, " * 100)
    left.file("lock").write_bytes(b"nothing")
    with capture_logs() as logs:
        async with opened(left.folder) as spool:
            assert spool.damaged_groups == 1
    assert [line["lost_groups"] for line in logs] == ["unknown"]
    assert read_pending(left.folder) == {}


async def test_what_waits_behind_damage_is_counted(left: Left) -> None:
    """For the command line: pending by hour, while the damaged segment waits."""
    flip(left.file("log"), 3)
    assert read_pending(left.folder) == {NOON: sum(SIZES[1:])}


async def test_a_group_of_our_own_damaged_under_us_is_skipped(tmp_path: Path) -> None:
    """The others are drained, and appends go on."""
    async with opened(tmp_path) as spool:
        batches = [make_batch(50, text=text * 300) for text in "abc"]
        for batch in batches:
            await spool.append(batch)
        (path,) = tmp_path.glob("*.log")
        place = path.read_bytes().index(b"b" * 300)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"?")
        assert ids(await drain(spool)) == ids([batches[0], batches[2]])
        assert spool.damaged_groups == 1
        await spool.append(batches[1])
        assert ids(await drain(spool)) == ids([batches[1]])
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]


async def test_what_was_handed_out_keeps_its_identity_when_its_last_group_is_lost(left: Left) -> None:
    """It may be committed under that identity already."""
    async with opened(left.folder) as spool:
        await drain_one(spool)
        handed = await spool.next_batch(max_events=20)
    assert handed is not None
    assert handed.through == 5
    cut(left.file("log"), left.ends[4] - 1)
    async with opened(left.folder) as spool:
        again = await spool.next_batch()
        assert again is not None
        assert ids([again]) == [event_id for group in left.groups[1:4] for event_id in group]
        assert again.batch.identity == handed.batch.identity
        assert again.through == 5
        await drain(spool)
        assert spool.damaged_groups == len(SIZES) - 4
