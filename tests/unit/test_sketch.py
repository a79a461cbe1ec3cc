"""Sketches: estimates within the stated error, and merges that are unions."""

import random

import pytest

from storage.rollups.sketch import (
    EMPTY,
    MAX_RANK,
    REGISTER_BITS,
    REGISTERS,
    STANDARD_ERROR,
    estimate,
    make_sketch,
    merge_sketches,
)


def sketch_of(hashes: list[int]) -> bytes:
    """Make a sketch as rollup/sketch.sql does: the place by the low bits, the rank by the lowest one of the rest."""
    ranks: dict[int, int] = {}
    for value in hashes:
        place, rest = value % REGISTERS, (value >> REGISTER_BITS) | 1 << (MAX_RANK - 1)
        ranks[place] = max(ranks.get(place, 0), (rest & -rest).bit_length())
    return make_sketch(list(ranks), list(ranks.values()))


def some_hashes(count: int, seed: int) -> list[int]:
    """Draw 64-bit numbers."""
    chance = random.Random(seed)  # noqa: S311 - a test's chance
    return [chance.getrandbits(64) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 10, 1_000, 20_000, 100_000])
def test_an_estimate_lies_within_four_standard_errors(count: int) -> None:
    """From a single value to many times the number of registers; few values are counted almost exactly."""
    assert estimate(sketch_of(some_hashes(count, seed=count))) == pytest.approx(count, rel=4 * STANDARD_ERROR)


def test_an_empty_sketch_has_seen_nothing() -> None:
    """Also as the merge of none."""
    assert estimate(EMPTY) == 0
    assert merge_sketches([]) == EMPTY


def test_a_full_register_does_not_break_the_estimate() -> None:
    """The highest rank, of a hash whose other bits are all zero."""
    assert estimate(make_sketch([0], [MAX_RANK])) == pytest.approx(1, abs=0.1)


def test_a_merge_is_the_maximum_of_each_register() -> None:
    """Compared byte by byte, in any order, and whatever is merged twice."""
    chance = random.Random(3)  # noqa: S311 - a test's chance
    sketches = [bytes(chance.randint(0, MAX_RANK) for _ in range(REGISTERS)) for _ in range(3)]
    expected = bytes(map(max, *sketches))
    assert merge_sketches(sketches) == expected
    assert merge_sketches([*reversed(sketches), sketches[0]]) == expected


def test_a_merge_of_overlapping_sets_is_the_sketch_of_their_union() -> None:
    """So that users of a range are those of its hours, each once."""
    hashes = some_hashes(5_000, seed=5)
    assert merge_sketches([sketch_of(hashes[:3_000]), sketch_of(hashes[2_000:])]) == sketch_of(hashes)
