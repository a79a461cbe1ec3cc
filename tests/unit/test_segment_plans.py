"""What is sealed and merged, and when: nothing is rewritten more often than it must be."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from storage.segments.catalogue import Segment, WaitingBlock
from storage.segments.plans import (
    MERGE_INPUTS,
    MOST_ROWS,
    MOST_SEGMENT_ROWS,
    SEAL_LATEST,
    SEAL_LATEST_COPIED,
    SEAL_ROWS,
    SEAL_ROWS_SOON,
    SEAL_SOON,
    buckets,
    plan_merge,
    plan_seal,
)
from tests.rows import NOON

DAY = timedelta(days=1)
SPAN_START = datetime.fromisoformat("2026-02-12T00:00:00+00:00")
"""The first day of a span of four weeks."""


def make_blocks(*rows: int, age: timedelta = timedelta(0)) -> list[WaitingBlock]:
    """Make blocks that were stored `age` before noon."""
    return [WaitingBlock(uuid4(), count, NOON, NOON, NOON - age) for count in rows]


def make_segment(
    rows: int, first: datetime = NOON, last: datetime | None = None, level: int = 1, copied_rows: int = 0
) -> Segment:
    """Make a segment."""
    return Segment(uuid4(), level, 1, "p", first, last or first, 0, 0, rows, 1, b"", False, copied_rows)  # noqa: FBT003 - as in its columns


@pytest.mark.parametrize(
    ("rows", "age", "is_sealed"),
    [
        (SEAL_ROWS, timedelta(0), True),
        (SEAL_ROWS - 1, SEAL_SOON - timedelta(seconds=1), False),
        (SEAL_ROWS_SOON, SEAL_SOON, True),
        (SEAL_ROWS_SOON - 1, SEAL_SOON, False),
        (1, SEAL_LATEST - timedelta(seconds=1), False),
        (1, SEAL_LATEST, True),
    ],
)
def test_blocks_are_sealed_when_they_are_many_or_old(rows: int, age: timedelta, *, is_sealed: bool) -> None:
    """Many at once; fewer after a minute; any after an hour."""
    assert bool(plan_seal(make_blocks(rows, age=age), NOON)) is is_sealed


def test_one_sealing_takes_a_bounded_number_of_rows_and_at_least_one_block() -> None:
    """However long nobody has sealed."""
    blocks = make_blocks(*[200_000] * 10)
    assert plan_seal(blocks, NOON) == blocks[: MOST_ROWS // 200_000]
    large = make_blocks(MOST_ROWS + 1, 1)
    assert plan_seal(large, NOON) == large[:1]
    assert plan_seal([], NOON) == ()


def test_few_blocks_are_sealed_sooner_where_the_table_waits_for_them() -> None:
    """After a minute, instead of an hour."""
    for seconds, is_sealed in ((59, False), (60, True)):
        blocks = make_blocks(1, age=timedelta(seconds=seconds))
        assert bool(plan_seal(blocks, NOON, SEAL_LATEST_COPIED)) is is_sealed


def test_eight_segments_of_similar_size_are_merged_oldest_first() -> None:
    """And not seven."""
    segments = [make_segment(200_000, NOON - number * timedelta(minutes=1)) for number in range(MERGE_INPUTS)]
    assert plan_merge(segments[1:]) is None
    plan = plan_merge(segments)
    assert plan is not None
    assert plan.segments == segments[::-1]
    assert not plan.splits_days


def test_a_large_segment_is_not_rewritten_for_a_few_small_ones() -> None:
    """Until they are a quarter of it."""
    large = make_segment(1_000_000)
    small = [make_segment(30_000) for _ in range(MERGE_INPUTS - 1)]
    assert plan_merge([large, *small]) is None
    worth = [make_segment(40_000) for _ in range(MERGE_INPUTS - 1)]
    assert plan_merge([large, *worth]) is not None


def test_small_days_grow_together_within_four_weeks() -> None:
    """And never over the end of them."""
    days = [make_segment(1000, SPAN_START + number * DAY) for number in range(24, 32)]
    assert plan_merge(days) is None  # four before the end and four after it
    more = [make_segment(1000, SPAN_START + number * DAY) for number in range(20, 24)]
    plan = plan_merge(days + more)
    assert plan is not None
    assert plan.segments == more + days[:4]


def test_full_days_are_merged_by_themselves() -> None:
    """Four weeks and a week hold too many rows for one segment."""
    days = [
        make_segment(400_000, SPAN_START + number * DAY + hour * timedelta(hours=1))
        for number in (0, 1)
        for hour in range(8)
    ]
    plan = plan_merge(days)
    assert plan is not None
    assert plan.segments == days[:8]


def test_segments_of_many_spans_split_off_days_with_many_rows() -> None:
    """Late rows wait in mixed segments until there are many of a day."""
    mixed = [make_segment(2000, SPAN_START - 40 * DAY, SPAN_START) for _ in range(MERGE_INPUTS)]
    plan = plan_merge(mixed)
    assert plan is not None
    assert plan.splits_days


def test_segments_of_the_top_level_are_left_alone() -> None:
    """They are full."""
    assert plan_merge([make_segment(1_500_000, level=2) for _ in range(2 * MERGE_INPUTS)]) is None


def test_merging_ends() -> None:
    """Whatever the sizes, merged segments make no merge that leads nowhere, and few small ones are left."""
    segments: Sequence[Segment] = [
        make_segment(1 + number % 9, SPAN_START + number % 28 * DAY) for number in range(500)
    ]
    written = 0
    while plan := plan_merge(segments):
        rows = sum(segment.rows for segment in plan.segments)
        written += rows
        first, last = (min(s.first_at for s in plan.segments), max(s.last_at for s in plan.segments))
        segments = [s for s in segments if s not in plan.segments] + [make_segment(rows, first, last)]
    assert len(segments) < 3 * MERGE_INPUTS
    assert written < 4 * sum(segment.rows for segment in segments)  # of log8(500)


@pytest.mark.parametrize(
    ("rows", "count"), [(1, 1), (MOST_SEGMENT_ROWS, 1), (MOST_SEGMENT_ROWS + 1, 2), (12_800_000, 16)]
)
def test_buckets_cover_all_pseudonyms_once(rows: int, count: int) -> None:
    """Their number is a power of two, so that those of one merge lie within those of another."""
    chosen = buckets(rows)
    assert len(chosen) == count
    assert (chosen[0].low, chosen[-1].high) == (-(2**63), 2**63 - 1)
    assert all(one.high + 1 == other.low for one, other in pairwise(chosen))


def test_what_is_copied_is_merged_with_what_is_copied_alone() -> None:
    """A segment that is being copied waits until it is."""
    copied = [make_segment(9, copied_rows=9) for _ in range(MERGE_INPUTS - 1)]
    others = [make_segment(9) for _ in range(MERGE_INPUTS - 1)]
    assert plan_merge([*copied, *others]) is None
    assert plan_merge([*others, *(make_segment(9, copied_rows=4) for _ in range(MERGE_INPUTS))]) is None
    merge = plan_merge([*copied, make_segment(9, copied_rows=9), *others])
    assert merge is not None
    assert all(segment.is_copied for segment in merge.segments)
