"""The write queue: bounds, order, triggers, and who waits for company."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage.postgres.errors import StorageUnavailableError, WriterFullError
from storage.write import write_queue
from storage.write.write_queue import MAX_EVENTS_PER_WRITE, Submission, WriteQueue
from tests.rows import make_row

FOR_EVER_MS = 3_600_000
SOON_S = 5.0
"""Only a test that fails takes so long."""


def make_queue(
    batch_size: int | None = None,
    batch_interval_ms: int | None = None,
    max_events: int = 50_000,
    max_bytes: int = 1 << 30,
) -> WriteQueue:
    """Make a queue; without triggers it is the tuned one."""
    return WriteQueue(
        batch_size=batch_size, batch_interval_ms=batch_interval_ms, max_events=max_events, max_bytes=max_bytes
    )


def submit(rows: int = 1, size_bytes: int = 100) -> Submission:
    """Make a submission of so many rows."""
    return Submission([make_row()] * rows, size_bytes)


@pytest.fixture
async def endless_wait(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Make the wait for company endless: who waits for it at all is found out."""
    monkeypatch.setattr(write_queue, "COMPANY_WAIT_MS", FOR_EVER_MS)
    monkeypatch.setattr(write_queue, "COMPANY_WAIT_MS_MOST", FOR_EVER_MS)
    async with asyncio.timeout(SOON_S):
        yield


async def take(queue: WriteQueue) -> list[Submission]:
    """Take a batch, and write it in no time."""
    async with asyncio.timeout(SOON_S):
        batch = await queue.take()
    queue.done()
    return batch


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("endless_wait")
async def test_a_lone_caller_does_not_wait_for_company() -> None:
    """Neither at first nor when he comes again and again."""
    queue = make_queue()
    for _ in range(3):
        submission = submit()
        await queue.put(submission, wait=False)
        assert await take(queue) == [submission]


@pytest.mark.usefixtures("endless_wait")
async def test_after_a_write_in_company_the_next_one_waits_for_more() -> None:
    """Several callers at once mean that others are about to come."""
    queue = make_queue()
    for _ in range(2):
        await queue.put(submit(), wait=False)
    taking = asyncio.create_task(take(queue))
    await settle()
    assert not taking.done()
    await queue.put(submit(rows=write_queue.COMPANY_EVENTS), wait=False)
    assert len(await taking) == 3
    await queue.put(submit(), wait=False)
    taking = asyncio.create_task(take(queue))
    await settle()
    assert not taking.done()
    queue.close()
    assert len(await taking) == 1


async def test_the_wait_for_company_ends_with_one_submission_where_nobody_comes() -> None:
    """And then the lone caller is spared it."""
    queue = make_queue()
    for _ in range(2):
        await queue.put(submit(), wait=False)
    assert len(await take(queue)) == 2
    await queue.put(submit(), wait=False)
    assert len(await take(queue)) == 1


async def test_the_size_trigger_hands_out_when_so_many_events_wait() -> None:
    """Of ten events nine wait, the tenth takes them along."""
    queue = make_queue(batch_size=10, batch_interval_ms=FOR_EVER_MS)
    for _ in range(9):
        await queue.put(submit(), wait=False)
    taking = asyncio.create_task(take(queue))
    await settle()
    assert not taking.done()
    await queue.put(submit(), wait=False)
    assert len(await taking) == 10


async def test_the_interval_trigger_counts_from_the_oldest_event() -> None:
    """It hands out what there is, and not before."""
    queue = make_queue(batch_size=10, batch_interval_ms=30)
    submission = submit()
    await queue.put(submission, wait=False)
    assert await take(queue) == [submission]
    assert asyncio.get_running_loop().time() - submission.queued_at_s >= 0.03


async def test_a_queue_full_of_bytes_does_not_wait_for_more_events() -> None:
    """With triggers that it cannot reach it would refuse everybody until the interval is over."""
    queue = make_queue(batch_size=1000, batch_interval_ms=FOR_EVER_MS, max_bytes=1000)
    await queue.put(submit(size_bytes=400), wait=False)
    taking = asyncio.create_task(take(queue))
    await settle()
    assert not taking.done()
    await queue.put(submit(size_bytes=400), wait=False)
    async with asyncio.timeout(SOON_S):
        assert len(await taking) == 2


async def test_batches_keep_the_order_and_the_bound_of_rows() -> None:
    """What does not fit stays for the next one; a submission is never torn apart."""
    queue = make_queue(max_events=10 * MAX_EVENTS_PER_WRITE)
    submissions = [submit(rows=MAX_EVENTS_PER_WRITE // 2 - 1) for _ in range(5)]
    for submission in submissions:
        await queue.put(submission, wait=False)
    taken = [await take(queue) for _ in range(3)]
    assert [len(batch) for batch in taken] == [2, 2, 1]
    assert [submission for batch in taken for submission in batch] == submissions


async def test_a_full_queue_refuses_who_does_not_wait() -> None:
    """By events as by bytes, and says when to come back."""
    by_events, by_bytes = make_queue(max_events=10), make_queue(max_bytes=10)
    await by_events.put(submit(rows=10), wait=False)
    await by_bytes.put(submit(size_bytes=10), wait=False)
    for queue in (by_events, by_bytes):
        with pytest.raises(WriterFullError) as refusal:
            await queue.put(submit(), wait=False)
        assert refusal.value.reason == "OVERLOADED"
        assert refusal.value.retry_after_s > 0


async def test_a_full_queue_makes_streams_wait_in_their_order() -> None:
    """Room goes to who has waited longest."""
    queue = make_queue(max_events=10)
    await queue.put(submit(rows=10), wait=True)
    second, third = submit(rows=10), submit(rows=10)
    waiting = [asyncio.create_task(queue.put(submission, wait=True)) for submission in (second, third)]
    await settle()
    assert not any(task.done() for task in waiting)
    await take(queue)
    await settle()
    assert [task.done() for task in waiting] == [True, False]
    assert await take(queue) == [second]
    await settle()
    assert await take(queue) == [third]


async def test_streams_that_wait_leave_room_for_callers_who_cannot() -> None:
    """An import that fills its share does not have single events refused."""
    queue = make_queue(max_events=100)
    streams = [asyncio.create_task(queue.put(submit(rows=10), wait=True)) for _ in range(20)]
    await settle()
    assert not all(task.done() for task in streams)
    await queue.put(submit(), wait=False)
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


async def test_an_empty_queue_takes_a_submission_larger_than_its_bounds() -> None:
    """It would otherwise wait indefinitely."""
    queue = make_queue(max_events=10, max_bytes=10)
    await queue.put(submit(rows=20, size_bytes=20), wait=True)
    assert len(await take(queue)) == 1


async def test_withdrawn_rows_are_not_written_and_free_their_room() -> None:
    """Rows that a writer has taken already are left alone."""
    queue = make_queue(max_events=10)
    first, second = submit(rows=5), submit(rows=5)
    await queue.put(first, wait=False)
    await queue.put(second, wait=False)
    queue.withdraw(first)
    assert len(queue) == 5
    assert await take(queue) == [second]
    queue.withdraw(second)
    assert len(queue) == 0


async def test_a_queue_that_was_withdrawn_empty_waits_for_the_next_submission() -> None:
    """Nobody is handed an empty batch."""
    queue = make_queue(batch_size=10, batch_interval_ms=20)
    gone, following = submit(), submit()
    await queue.put(gone, wait=False)
    taking = asyncio.create_task(take(queue))
    await settle()
    queue.withdraw(gone)
    await asyncio.sleep(0.05)
    assert not taking.done()
    await queue.put(following, wait=False)
    async with asyncio.timeout(SOON_S):
        assert await taking == [following]


async def test_a_closed_queue_takes_nothing_and_runs_dry() -> None:
    """What waits is handed out at once, then nothing; who waits for room is told."""
    queue = make_queue(batch_size=10, batch_interval_ms=FOR_EVER_MS, max_events=1)
    submission = submit()
    await queue.put(submission, wait=False)
    waiting = asyncio.create_task(queue.put(submit(), wait=True))
    await settle()
    queue.close()
    with pytest.raises(StorageUnavailableError):
        await waiting
    with pytest.raises(StorageUnavailableError):
        await queue.put(submit(), wait=False)
    assert await take(queue) == [submission]
    assert await take(queue) == []
    assert await take(queue) == []


async def test_a_call_goes_before_the_streams_that_came_earlier() -> None:
    """One event must not stand behind thousands that a busy stream has waiting."""
    queue = make_queue(batch_size=1, batch_interval_ms=0)
    streams = [submit(rows=MAX_EVENTS_PER_WRITE) for _ in range(3)]
    for stream in streams:
        await queue.put(stream, wait=True)
    call = submit()
    await queue.put(call, wait=False)
    assert await take(queue) == [call, streams[0]]
    assert await take(queue) == [streams[1]]


async def test_calls_leave_room_for_streams() -> None:
    """Calls that never end take half of each transaction; a stream gets its turn in every one."""
    queue = make_queue(batch_size=1, batch_interval_ms=0)
    calls = [submit(rows=MAX_EVENTS_PER_WRITE // 4) for _ in range(4)]
    for call in calls:
        await queue.put(call, wait=False)
    small, large = submit(rows=MAX_EVENTS_PER_WRITE // 4), submit(rows=2 * MAX_EVENTS_PER_WRITE)
    await queue.put(small, wait=True)
    await queue.put(large, wait=True)
    assert await take(queue) == [*calls[:2], small, calls[2]]
    assert await take(queue) == [calls[3], large]


@pytest.mark.usefixtures("endless_wait")
async def test_a_small_batch_waits_for_the_write_under_way_and_a_large_one_does_not() -> None:
    """Two small transactions at once cost more than one after the other."""
    queue = make_queue()
    await queue.put(submit(), wait=False)
    assert len(await queue.take()) == 1
    await queue.put(submit(), wait=False)
    second = asyncio.create_task(take(queue))
    await settle()
    assert not second.done()
    queue.done()
    await queue.put(submit(), wait=False)  # the first caller is back
    assert len(await second) == 2
    await queue.put(submit(), wait=False)
    await queue.put(submit(), wait=False)
    assert len(await queue.take()) == 2
    await queue.put(submit(rows=write_queue.COMPANY_EVENTS), wait=False)
    assert len(await take(queue)) == 1


@pytest.mark.usefixtures("endless_wait")
async def test_a_write_goes_off_when_as_many_have_come_as_before() -> None:
    """Those whom the last write answered are back: nobody else is expected."""
    queue = make_queue()
    await queue.put(submit(rows=write_queue.COMPANY_EVENTS), wait=False)
    await queue.put(submit(), wait=False)
    assert len(await take(queue)) == 2
    await queue.put(submit(), wait=False)
    taking = asyncio.create_task(take(queue))
    await settle()
    assert not taking.done()
    await queue.put(submit(), wait=False)
    assert len(await taking) == 2
