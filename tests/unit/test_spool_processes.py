"""The spool between processes: killed, contending, limited by their system."""

import asyncio
import itertools
import threading
import time
from pathlib import Path

import pytest

from storage.spool import Spool
from storage.spool.claim import SegmentClaim
from tests.unit.spool_samples import APPENDERS, GENEROUS_BYTES, SpoolProcess, drain, ids, make_batch, opened

pytestmark = pytest.mark.processes

FILE_BYTES = 600_000
"""What a file may hold in the limited process: some dozens of its batches, and less than a whole log."""


@pytest.mark.parametrize("lines", [1, 40, 400])
async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, lines: int) -> None:
    """At most what was being committed just then comes beside it, and nothing twice."""
    with SpoolProcess("append", tmp_path) as process:
        acknowledged = [process.read()["stored"] for _ in range(lines)]
        process.kill()
        acknowledged += [line["stored"] for line in process.read_rest()]
    async with opened(tmp_path) as spool:
        found = ids(await drain(spool))
        assert spool.damaged_groups == 0
    assert set(found) >= set(itertools.chain(*acknowledged))
    assert len(found) == len(set(found))
    assert len(found) - sum(map(len, acknowledged)) <= APPENDERS * len(acknowledged[0])
    assert list(tmp_path.iterdir()) == []


async def test_a_live_owner_keeps_its_segment(tmp_path: Path) -> None:
    """Others adopt it the moment it dies, however it dies."""
    with SpoolProcess("append", tmp_path) as process:
        first = process.read()["stored"]
        async with opened(tmp_path) as spool:
            assert await spool.next_batch() is None
            process.kill()
            assert ids(await drain(spool))[: len(first)] == first


async def test_a_process_that_ends_in_order_leaves_its_segment_to_the_next(tmp_path: Path) -> None:
    """What SIGTERM leads to: the rest stays."""
    with SpoolProcess("append", tmp_path) as process:
        stored = process.read()["stored"]
        process.go()
        rest = process.read_rest()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock", ".log"]
    async with opened(tmp_path) as spool:
        assert set(ids(await drain(spool))) >= {*stored, *itertools.chain(*(line.get("stored", ()) for line in rest))}


async def test_two_processes_drain_every_orphan_once(tmp_path: Path) -> None:
    """Each segment has one drainer, also when both start in the same moment, and all is drained."""
    batches = [make_batch(5) for _ in range(120)]
    owners = [Spool(tmp_path, max_bytes=GENEROUS_BYTES) for _ in range(12)]
    for number, batch in enumerate(batches):
        await owners[number % len(owners)].append(batch)
    with SpoolProcess("drain", tmp_path) as one, SpoolProcess("drain", tmp_path) as two:
        assert one.read() == two.read() == {"ready": True}
        await asyncio.gather(*(owner.close() for owner in owners))
        one.go()
        two.go()
        lines = [one.read_rest(), two.read_rest()]
    drained = [event_id for line in itertools.chain(*lines) for event_id in line["drained"]]
    assert sorted(drained) == sorted(ids(batches))
    segments = [{line["segment"] for line in each} for each in lines]
    assert not segments[0] & segments[1]
    assert len(segments[0] | segments[1]) == len(owners)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_may_not_grow_refuses_and_loses_nothing(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the system refuse in the midst of a write."""
    with SpoolProcess("append", tmp_path, FILE_BYTES) as process:
        lines = []
        while line := process.read():
            lines.append(line)
            if "ended" in line:
                process.kill()
    stored = [event_id for line in lines for event_id in line.get("stored", ())]
    refused = [event_id for line in lines for event_id in line.get("refused", ())]
    assert {line["reason"] for line in lines if "refused" in line} == {"SPOOL_UNWRITABLE"}
    assert len(stored) > 100
    async with opened(tmp_path) as spool:
        found = ids(await drain(spool))
        assert spool.damaged_groups == 0
    assert sorted(found) == sorted(stored)
    assert not set(found) & set(refused)


def test_a_claim_has_one_holder(tmp_path: Path) -> None:
    """Although each holder removes the locked file: a rival may have opened it before."""
    path = tmp_path / "lock"
    held = threading.Lock()
    clashes: list[bool] = []

    def contend() -> None:
        for _ in range(500):
            if (claim := SegmentClaim.take(path)) is not None:
                is_alone = held.acquire(blocking=False)
                time.sleep(0.0001)
                if is_alone:
                    held.release()
                clashes.append(not is_alone)
                claim.release(finished=True)

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clashes) > 20
    assert not any(clashes)
