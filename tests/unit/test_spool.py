"""The spool: durable appends, order, merging, figures."""

import asyncio
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.spool import Spool, SpoolPending, SpoolUnwritableError, read_pending, read_pending_groups
from storage.spool.claim import Note
from storage.spool.codec import Record
from storage.spool.log import SegmentLog
from storage.write.batch import Batch, BatchIdentity
from tests.rows import NOON, make_rejection, make_row
from tests.unit.spool_samples import drain, ids, make_batch, opened

WRITER = "018f0000-0000-7000-8000-000000000001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spool's folder, not made yet."""
    return tmp_path / "data" / "spool"


@contextmanager
def counted_commits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Note how many groups each append to a log writes."""
    commits: list[int] = []
    append = SegmentLog.append

    def counting(content: SegmentLog, records: Sequence[Record]) -> None:
        append(content, records)
        commits.append(len(records))

    with monkeypatch.context() as patch:
        patch.setattr(SegmentLog, "append", counting)
        yield commits


async def test_a_batch_comes_back_as_it_was_appended(folder: Path) -> None:
    """Rows and rejections keep every type, and times are aware."""
    row = make_row(timestamp=NOON.replace(microsecond=123_456), sequence=2**63 - 1, device='{"os":"ios"}')
    rejections = [make_rejection(payload=b"\x00\xff\n"), make_rejection(payload=None, event_id=None)]
    claimed_at = NOON + timedelta(seconds=5, microseconds=1)
    async with opened(folder) as spool:
        await spool.append(Batch([row], rejections, claimed_at))
        spooled = await spool.next_batch()
    assert spooled is not None
    assert spooled.batch == Batch([row], rejections, claimed_at, BatchIdentity(spooled.segment_id, 1))
    assert spooled.batch.rows[0][3].tzinfo is UTC
    assert spooled.through == 1


async def test_what_orjson_refuses_is_kept_too(folder: Path) -> None:
    """Lone surrogates and huge numbers are for Postgres to refuse, row by row."""
    odd = make_row(user_agent="\ud800", sequence=2**70, received_at=NOON, timestamp=NOON + timedelta(microseconds=1))
    plain = make_row()
    async with opened(folder) as spool:
        await spool.append(Batch([odd, plain], (), NOON))
        spooled = await spool.next_batch()
    assert spooled is not None
    assert spooled.batch.rows == [odd, plain]


async def test_the_folder_is_for_its_owner_only(folder: Path) -> None:
    """It is made when missing, and closed to others when it was open."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    async with opened(folder) as spool:
        await spool.append(make_batch())
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_an_append_is_answered_after_its_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More cannot be tested without cutting the power: what an append has written is synced when it returns."""
    steps: list[tuple[str, int]] = []
    write, sync = os.pwrite, os.fdatasync

    def pwrite(descriptor: int, content: bytes, place: int) -> int:
        steps.append(("write", descriptor))
        return write(descriptor, content, place)

    def fdatasync(descriptor: int) -> None:
        sync(descriptor)
        steps.append(("sync", descriptor))

    monkeypatch.setattr("os.pwrite", pwrite)
    monkeypatch.setattr("os.fdatasync", fdatasync)
    async with opened(folder) as spool:
        await spool.append(make_batch())
        own = spool._folder._own
        assert own is not None
        assert own._log is not None
        assert [step for step, descriptor in steps if descriptor == own._log._descriptor] == ["write", "sync"]


async def test_no_append_leaves_no_file(folder: Path) -> None:
    """A segment is made by the first append, and removed with its last group."""
    async with opened(folder) as spool:
        assert await spool.next_batch() is None
        assert list(folder.iterdir()) == []
        await spool.append(make_batch())
        await drain(spool)
        assert list(folder.iterdir()) == []


async def test_batches_without_identity_are_merged_in_order(folder: Path) -> None:
    """Up to max_events, whole batches only, under the segment and the last position."""
    batches = [make_batch(size) for size in (3, 3, 4, 12, 1)]
    async with opened(folder) as spool:
        for batch in batches:
            await spool.append(batch)
        drained = await drain(spool, max_events=10)
    assert ids(drained) == ids(batches)
    assert [len(spooled.batch) for spooled in drained] == [10, 12, 1]
    assert [spooled.batch.identity for spooled in drained] == [
        BatchIdentity(drained[0].segment_id, last) for last in (3, 4, 5)
    ]


async def test_a_batch_that_was_tried_keeps_its_identity_and_stands_alone(folder: Path) -> None:
    """Only so does Postgres recognise it."""
    tried = make_batch(2, identity=BatchIdentity(WRITER, 7))
    batches = [make_batch(), make_batch(), tried, make_batch(), make_batch(identity=BatchIdentity(WRITER, 8))]
    async with opened(folder) as spool:
        for batch in batches:
            await spool.append(batch)
        drained = await drain(spool)
    assert ids(drained) == ids(batches)
    segment = drained[0].segment_id
    assert [spooled.batch.identity for spooled in drained] == [
        BatchIdentity(segment, 2),
        BatchIdentity(WRITER, 7),
        BatchIdentity(segment, 4),
        BatchIdentity(WRITER, 8),
    ]


async def test_the_same_batch_comes_until_it_is_removed(folder: Path) -> None:
    """More appends do not change what was handed out; removing twice is harmless."""
    async with opened(folder) as spool:
        await spool.append(make_batch())
        first = await spool.next_batch()
        await spool.append(make_batch())
        assert first is not None
        assert await spool.next_batch() is first
        await spool.remove(first)
        await spool.remove(first)
        second = await spool.next_batch()
        assert second is not None
        assert second.batch.identity == BatchIdentity(first.segment_id, 2)
        assert spool.pending.events == 1


async def test_what_was_handed_out_comes_again_under_the_same_identity_in_another_process(folder: Path) -> None:
    """The first one may have died between Postgres's commit and the removal, and more was appended since."""
    async with opened(folder) as spool:
        for _ in range(4):
            await spool.append(make_batch(5))
        await spool.remove(await spool.next_batch(max_events=5))  # type: ignore[arg-type]
        handed = await spool.next_batch(max_events=10)
        await spool.append(make_batch(5))
    assert handed is not None
    async with opened(folder) as spool:
        again = await spool.next_batch(max_events=1)
        assert again == handed
        await spool.remove(again)
        rest = await drain(spool)
    assert [spooled.through for spooled in rest] == [5]


async def test_appends_that_wait_are_committed_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync serves many callers, and all that was acknowledged is there."""
    batches = [make_batch() for _ in range(200)]
    with counted_commits(monkeypatch) as commits:
        async with opened(folder) as spool:
            await asyncio.gather(*(spool.append(batch) for batch in batches))
            assert spool.pending.events == 200
            assert ids(await drain(spool)) == ids(batches)
    assert sum(commits) == 200
    assert len(commits) < 20


async def test_a_batch_that_cannot_be_written_as_text_fails_alone(folder: Path) -> None:
    """It is a mistake of one caller; those committed with it do not notice."""
    good = [make_batch(), make_batch()]
    bad = Batch([make_row(event_data=object())], (), NOON)
    async with opened(folder) as spool:
        results = await asyncio.gather(*map(spool.append, [good[0], bad, good[1]]), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), TypeError, type(None)]
        assert ids(await drain(spool)) == ids(good)


async def test_a_caller_who_goes_away_before_the_commit_takes_its_batch_back(folder: Path) -> None:
    """And one who goes away during it leaves the others alone."""
    async with opened(folder) as spool:
        is_free = threading.Event()
        spool._thread.submit(is_free.wait)
        batches = [make_batch() for _ in range(3)]
        tasks = [asyncio.ensure_future(spool.append(batch)) for batch in batches]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        await asyncio.sleep(0)
        is_free.set()
        await asyncio.wait(tasks)
        assert ids(await drain(spool)) == ids([batches[0], batches[2]])


async def test_a_closed_spool_takes_nothing(folder: Path) -> None:
    """Appends under way are finished first; closing twice is harmless."""
    async with opened(folder) as spool:
        batch = make_batch()
        appending = asyncio.ensure_future(spool.append(batch))
        await asyncio.sleep(0)
        await spool.close()
        await appending
        with pytest.raises(SpoolUnwritableError):
            await spool.append(make_batch())
        assert not spool.has_room
    async with opened(folder) as spool:
        assert spool.pending.events == 1
        assert ids(await drain(spool)) == ids([batch])


async def test_figures_follow_what_waits(folder: Path) -> None:
    """In memory: events and bytes of our own and of adopted segments, rejections included."""
    async with opened(folder) as spool:
        await spool.append(replace(make_batch(3), rejections=[make_rejection()]))
        await spool.append(make_batch(2, identity=BatchIdentity(WRITER, 1)))
        before = spool.pending
        assert before.events == 6
        assert before.bytes > 1000
    async with opened(folder) as spool:
        assert spool.pending == before
        await spool.append(make_batch(4))
        assert spool.pending.events == 10
        await spool.remove(await spool.next_batch())  # type: ignore[arg-type]
        assert spool.pending.events == 6
        await drain(spool)
        assert spool.pending == SpoolPending(0, 0)


async def test_orphans_are_drained_first_and_oldest_first(folder: Path) -> None:
    """Ours comes last, although it was there when they were found."""
    orphans = [Spool(folder, max_bytes=1 << 30) for _ in range(3)]
    batches = [make_batch() for _ in range(4)]
    for orphan, batch in zip(orphans, batches, strict=False):
        await orphan.append(batch)
        await asyncio.sleep(0.002)  # segments sort by the millisecond
    async with opened(folder) as spool:
        await spool.append(batches[3])
        for orphan in reversed(orphans):
            await orphan.close()
            await spool.refresh()
        assert ids(await drain(spool)) == ids(batches)


async def test_pending_is_read_beside_a_live_owner(folder: Path) -> None:
    """By hour of receipt, without what is removed, while the owner goes on."""
    later = NOON + timedelta(hours=1, minutes=59)
    async with opened(folder) as spool:
        assert read_pending(folder) == {}
        await spool.append(make_batch(2, received_at=NOON + timedelta(minutes=59)))
        await spool.append(replace(make_batch(3, received_at=later), rejections=[make_rejection(received_at=NOON)]))
        assert read_pending(folder) == {NOON: 3, NOON + timedelta(hours=1): 3}
        first = await spool.next_batch(max_events=1)
        assert first is not None
        await spool.append(make_batch(4, received_at=later, identity=BatchIdentity(WRITER, 3)))
        await spool.remove(first)
        assert read_pending(folder) == {NOON: 1, NOON + timedelta(hours=1): 7}
        assert [group.identity for group in read_pending_groups(folder)] == [
            BatchIdentity(first.segment_id, 2),
            BatchIdentity(WRITER, 3),
        ]
    assert read_pending(folder) == {NOON: 1, NOON + timedelta(hours=1): 7}
    assert read_pending(folder / "missing") == {}


async def test_litter_of_interrupted_work_is_cleaned(folder: Path) -> None:
    """A lock without a log, an empty log, a log without a lock."""
    folder.mkdir(parents=True)
    names = [f"018f0000-0000-7000-8000-00000000000{digit}" for digit in range(4)]
    (folder / f"{names[0]}.lock").touch()
    (folder / f"{names[1]}.log").touch()
    (folder / f"{names[2]}.lock").write_bytes(Note().to_bytes())
    (folder / f"{names[2]}.log").touch()
    (folder / "notes.txt").touch()
    async with opened(folder) as spool:
        assert await spool.next_batch() is None
        assert spool.damaged_groups == 0
    assert os.listdir(folder) == ["notes.txt"]  # noqa: PTH208 - names are what is compared


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 5), st.booleans()),
            st.tuples(st.just("drain"), st.integers(1, 8), st.booleans()),
            st.tuples(st.just("restart"), st.just(0), st.booleans()),
        ),
        max_size=30,
    )
)
def test_everything_comes_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    """In any order of appends, drains, forgotten removals and restarts, an identity always names the same rows."""
    asyncio.run(_check_steps(tmp_path_factory.mktemp("spool"), steps))


async def _check_steps(folder: Path, steps: list[tuple[str, int, bool]]) -> None:
    spool = Spool(folder, max_bytes=1 << 30)
    appended: list[str] = []
    stored: dict[BatchIdentity, list[str]] = {}
    number = 0
    for step, size, flag in [*steps, ("restart", 0, False), *[("drain", 1000, True)] * (len(steps) + 1)]:
        if step == "append":
            number += 1
            batch = make_batch(size, identity=BatchIdentity(WRITER, number) if flag else None)
            await spool.append(batch)
            appended += ids([batch])
        elif step == "restart":
            await spool.close()
            spool = Spool(folder, max_bytes=1 << 30)
        elif (spooled := await spool.next_batch(max_events=size)) is not None:
            # Stored, but the removal may not be reached: then it comes again.
            assert spooled.batch.identity is not None
            assert stored.setdefault(spooled.batch.identity, ids([spooled])) == ids([spooled])
            if flag:
                await spool.remove(spooled)
    await spool.close()
    # A restarted process drains what it left before what it appends: across segments the order is not the callers'.
    assert [event_id for batch in stored.values() for event_id in batch] == appended
    assert list(folder.iterdir()) == []
