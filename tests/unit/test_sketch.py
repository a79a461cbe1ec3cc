"""Sketches: estimates within the stated error, and merges that are unions."""

import itertools
import random

import numpy as np
import pytest

from storage.summaries.forms.sketch import (
    EMPTY,
    MAX_RANK,
    MOST_LISTED_REGISTERS,
    REGISTERS,
    STANDARD_ERROR,
    estimate,
    make_sketch,
    make_sketches,
    merge_sketches,
)


def some_hashes(count: int, seed: int) -> list[int]:
    """Draw signed 64-bit numbers."""
    chance = random.Random(seed)  # noqa: S311 - a test's chance
    return [chance.getrandbits(64) - 2**63 for _ in range(count)]


def ranks_of(hashes: list[int]) -> dict[int, int]:
    """Work out the highest rank of each register, one hash after the other."""
    ranks: dict[int, int] = {}
    for value in hashes:
        bits = value & (2**64 - 1)
        register, rest = bits % REGISTERS, bits // REGISTERS
        rank = MAX_RANK if not rest else (rest & -rest).bit_length()
        ranks[register] = max(rank, ranks.get(register, 0))
    return ranks


@pytest.mark.parametrize("count", [1, 10, 1_000, 20_000, 100_000])
def test_an_estimate_lies_within_four_standard_errors(count: int) -> None:
    """From a single value to many times the number of registers; few values are counted almost exactly."""
    assert estimate(make_sketch(some_hashes(count, seed=count))) == pytest.approx(count, rel=4 * STANDARD_ERROR)


def test_an_empty_sketch_has_seen_nothing() -> None:
    """Also as the merge of none."""
    assert estimate(EMPTY) == 0
    assert merge_sketches([]) == EMPTY


@pytest.mark.parametrize("count", [1, 500, 3_000])
def test_a_sketch_has_the_highest_rank_of_each_register(count: int) -> None:
    """As a short list while there are few, else as a byte each."""
    hashes = some_hashes(count, seed=count)
    ranks = ranks_of(hashes)
    sketch = make_sketch(hashes)
    if len(ranks) <= MOST_LISTED_REGISTERS:
        listed = [int.from_bytes(sketch[place : place + 4], "little") for place in range(0, len(sketch), 4)]
        assert listed == [register * 64 + rank for register, rank in sorted(ranks.items())]
    else:
        assert sketch == bytes(ranks.get(register, 0) for register in range(REGISTERS))


def test_a_full_register_does_not_break_the_estimate() -> None:
    """The highest rank, of a hash whose other bits are all zero."""
    assert ranks_of([0]) == {0: MAX_RANK}
    assert make_sketch([0]) == MAX_RANK.to_bytes(4, "little")
    assert estimate(make_sketch([0])) == pytest.approx(1, abs=0.1)


def test_a_merge_is_the_maximum_of_each_register() -> None:
    """Compared byte by byte, in any order, and whatever is merged twice."""
    chance = random.Random(3)  # noqa: S311 - a test's chance
    sketches = [bytes(chance.randint(0, MAX_RANK) for _ in range(REGISTERS)) for _ in range(3)]
    expected = bytes(map(max, *sketches))
    assert merge_sketches(sketches) == expected
    assert merge_sketches([*reversed(sketches), sketches[0]]) == expected


@pytest.mark.parametrize("count", [3, 700, 1_100, 5_000])
@pytest.mark.parametrize("parts", [2, 5])
def test_a_merge_of_overlapping_sets_is_the_sketch_of_their_union(count: int, parts: int) -> None:
    """So that users of a range are those of its hours, each once; of short lists, of long ones and of both."""
    hashes = some_hashes(count, seed=count)
    bounds = [count * part // parts for part in range(parts + 1)]
    pieces = [hashes[max(0, start - 1) : end] for start, end in itertools.pairwise(bounds)]
    sketches = [make_sketch(piece) for piece in pieces]
    assert merge_sketches([*sketches, EMPTY]) == make_sketch(hashes)
    assert merge_sketches([merge_sketches(sketches[1:]), sketches[0], make_sketch(hashes[:1])]) == make_sketch(hashes)


def test_a_short_list_is_merged_into_all_registers() -> None:
    """And raises those that it knows better."""
    many, few = some_hashes(20_000, seed=1), [0, *some_hashes(20, seed=2)]
    assert len(make_sketch(few)) < len(make_sketch(many)) == REGISTERS
    assert merge_sketches([make_sketch(few), make_sketch(many)]) == make_sketch([*many, *few])


def test_groups_are_sketched_as_each_alone() -> None:
    """Few hashes, none, and many."""
    groups = [some_hashes(count, seed=count) for count in (3, 0, 5_000, 1)]
    hashes = np.array([one for some in groups for one in some], np.int64)
    places = np.repeat(np.arange(4), [len(some) for some in groups])
    assert make_sketches(hashes, places, 4) == [make_sketch(some) for some in groups]
