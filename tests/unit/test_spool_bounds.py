"""The spool at its limits: its own bound, a full disk, a disk that refuses."""

import asyncio
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from storage.spool import Spool, SpoolFullError, SpoolUnwritableError, read_pending
from storage.spool.codec import encode
from storage.spool.log import SegmentLog, TornLogError
from tests.unit.spool_samples import drain, drain_one, ids, make_batch, opened

WRITER = "018f0000-0000-7000-8000-000000000001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool's folder, not made yet."""
    return tmp_path / "data" / "spool"


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB of the test's own, where the system lets us mount one."""
    mounted = tmp_path / "tmpfs"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let the test mount a tmpfs")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


def size_of(folder: Path) -> int:
    """Sum the sizes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def has_room(spool: Spool) -> bool:
    """Ask, where mypy would believe that nothing has changed since it was asked before."""
    return spool.has_room


async def test_a_full_spool_refuses_and_stays_within_its_bound(folder: Path) -> None:
    """What was acknowledged is there, what was refused is not, and draining makes room."""
    max_bytes = 2 * 1024 * 1024
    stored = []
    async with opened(folder, max_bytes) as spool:
        assert has_room(spool)
        while True:
            batch = make_batch(100, text="x" * 500)
            try:
                await spool.append(batch)
            except SpoolFullError:
                break
            stored.append(batch)
            assert size_of(folder) <= max_bytes
        assert not has_room(spool)
        assert len(stored) > 10
        small = make_batch()
        await spool.append(small)
        assert ids(await drain(spool)) == ids([*stored, small])
        assert has_room(spool)
        await spool.append(make_batch(100, text="x" * 500))
    assert size_of(folder) <= max_bytes


async def test_one_batch_that_does_not_fit_fails_alone(folder: Path) -> None:
    """In one commit, large ones are refused and small ones are taken."""
    batches = [make_batch(), make_batch(2000, text="x" * 500), make_batch()]
    async with opened(folder, 512 * 1024) as spool:
        results = await asyncio.gather(*map(spool.append, batches), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), SpoolFullError, type(None)]
        assert ids(await drain(spool)) == ids([batches[0], batches[2]])


@pytest.mark.thorough
async def test_the_room_of_removed_groups_is_used_again(folder: Path) -> None:
    """A full spool keeps taking as much as is drained, within its bound, without ever having to be empty."""
    max_bytes = 2 * 1024 * 1024
    async with opened(folder, max_bytes) as spool:
        while has_room(spool):
            with suppress(SpoolFullError):
                await spool.append(make_batch(100, text="x" * 500))
        for _ in range(3):
            await drain_one(spool)
        for _ in range(60):
            assert has_room(spool)
            await spool.append(make_batch(100, text="x" * 500))
            await drain_one(spool)
            assert size_of(folder) <= max_bytes
        assert len(await drain(spool, max_events=1)) > 5


async def test_files_of_others_count_towards_the_bound(folder: Path) -> None:
    """The bound is the folder's, no matter which process filled it."""
    folder.mkdir(parents=True)
    (folder / "018f0000-0000-7000-8000-000000000000.damaged").write_bytes(bytes(1024 * 1024))
    async with opened(folder, 1024 * 1024) as spool:
        assert not has_room(spool)
        with pytest.raises(SpoolFullError):
            await spool.append(make_batch())


async def test_a_failed_append_leaves_nothing_and_the_next_one_succeeds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the midst of a batch: what it has taken of it is cut off again."""
    kept, failed, later = make_batch(), make_batch(1000, text="x" * 100), make_batch()
    async with opened(folder) as spool:
        await spool.append(kept)
        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr("os.pwrite", until_full(20_000))
            with pytest.raises(SpoolUnwritableError) as caught:
                await spool.append(failed)
        assert caught.value.reason == "SPOOL_UNWRITABLE"
        assert [(line["event"], line["error"]) for line in logs] == [("spool_unwritable", "ENOSPC")]
        assert not has_room(spool)
        await spool.append(later)
        assert has_room(spool)
        assert spool.pending.events == 2
        assert list(read_pending(folder).values()) == [2]
    async with opened(folder) as spool:
        assert ids(await drain(spool)) == ids([kept, later])


async def test_a_sync_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was written, and nothing says that it would outlast a loss of power."""
    kept, failed = make_batch(), make_batch()
    async with opened(folder) as spool:
        await spool.append(kept)
        with monkeypatch.context() as patch:
            patch.setattr("os.fdatasync", broken)
            with pytest.raises(SpoolUnwritableError):
                await spool.append(failed)
    async with opened(folder) as spool:
        assert ids(await drain(spool)) == ids([kept])


async def test_a_log_that_cannot_be_cut_takes_nothing_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends go on in another, and half a record at the end of the first is no loss."""
    kept, failed, later = make_batch(), make_batch(1000, text="x" * 100), make_batch()
    async with opened(folder) as spool:
        await spool.append(kept)
        with monkeypatch.context() as patch:
            patch.setattr("os.pwrite", until_full(20_000))
            patch.setattr("os.ftruncate", broken)
            with pytest.raises(SpoolUnwritableError):
                await spool.append(failed)
        await spool.append(later)
        assert len(list(folder.glob("*.log"))) == 2
    async with opened(folder) as spool:
        assert spool.pending.events == 2
        assert ids(await drain(spool)) == ids([kept, later])
        assert spool.damaged_groups == 0


def until_full(size: int) -> Callable[[int, memoryview, int], int]:
    """Make a pwrite for a disk on which a file may have so many bytes."""

    def pwrite(descriptor: int, content: memoryview, place: int) -> int:
        if place >= size:
            raise OSError(errno.ENOSPC, "no space left")
        return write(descriptor, content[: size - place], place)

    write = os.pwrite
    return pwrite


def broken(*_: int) -> None:
    """Fail as a broken disk does."""
    raise OSError(errno.EIO, "input/output error")


@pytest.mark.processes
async def test_a_full_disk_refuses_appends_and_is_drained_all_the_same(tmpfs: Path) -> None:
    """Not a byte is free: removal must not need one. Room is found again by refresh."""
    stored = []
    filler = tmpfs / "filler"
    async with opened(tmpfs / "spool") as spool:
        for _ in range(5):
            stored.append(make_batch(50, text="x" * 300))
            await spool.append(stored[-1])
        _fill(filler)
        while True:
            batch = make_batch(50, text="x" * 300)
            try:
                await spool.append(batch)
            except SpoolUnwritableError:
                break
            stored.append(batch)
        await spool.refresh()
        assert not has_room(spool)
        first = await spool.next_batch(max_events=1)
        assert first is not None
        await spool.remove(first)
    _fill(filler)
    async with opened(tmpfs / "spool") as spool:
        assert ids([first, *await drain(spool)]) == ids(stored)
        assert list((tmpfs / "spool").iterdir()) == []
        filler.unlink()
        await spool.refresh()
        assert has_room(spool)
        await spool.append(make_batch())


@pytest.mark.processes
async def test_a_disk_without_room_for_a_segment_refuses_and_keeps_no_litter(tmpfs: Path) -> None:
    """The first append is the one that makes the files."""
    filler = tmpfs / "filler"
    async with opened(tmpfs / "spool") as spool:
        _fill(filler)
        for _ in range(2):
            with pytest.raises(SpoolUnwritableError):
                await spool.append(make_batch())
        assert list((tmpfs / "spool").iterdir()) == []
        filler.unlink()
        await spool.append(make_batch())
        assert has_room(spool)


def _fill(path: Path) -> None:
    """Take all room of a file system."""
    with path.open("ab", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


def test_a_log_tells_what_it_could_not_take_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller must not append behind it."""
    content = SegmentLog.create(tmp_path / "log")
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", until_full(50))
        patch.setattr("os.ftruncate", broken)
        with pytest.raises(TornLogError):
            content.append([encode(make_batch(), 1)])
    assert content.end == 0
    content.close()


async def test_a_folder_that_cannot_be_made_is_unwritable(tmp_path: Path) -> None:
    """As a read-only file system would be; nothing raises but append."""
    (tmp_path / "data").write_text("a file where the folder should be")
    async with opened(tmp_path / "data" / "spool") as spool:
        assert not has_room(spool)
        assert await spool.next_batch() is None
        with pytest.raises(SpoolUnwritableError):
            await spool.append(make_batch())


async def test_a_removal_that_nothing_records_is_refused_and_can_be_tried_again(folder: Path) -> None:
    """The disk takes no note, which is all that tells of a removal."""
    async with opened(folder) as spool:
        await spool.append(make_batch())
        await spool.append(make_batch())
    async with opened(folder) as spool:
        first = await spool.next_batch(max_events=1)
        assert first is not None
        claim = spool._folder._adopted[0]._claim
        writable, claim._descriptor = claim._descriptor, os.open(claim._path, os.O_RDONLY)
        with pytest.raises(SpoolUnwritableError):
            await spool.remove(first)
        assert await spool.next_batch() is first
        assert spool.pending.events == 2
        os.close(claim._descriptor)
        claim._descriptor = writable
        await spool.remove(first)
        assert spool.pending.events == 1
        assert [spooled.through for spooled in await drain(spool)] == [2]
