"""Sketches: estimates within the stated error, and merges that are unions."""

import random

import pytest

from storage.rollups.forms.sketch import (
    EMPTY,
    MAX_RANK,
    REGISTERS,
    STANDARD_ERROR,
    estimate,
    make_sketch,
    merge_sketches,
    pack,
    unpack,
)


def some_hashes(count: int, seed: int) -> list[int]:
    """Draw 64-bit numbers."""
    chance = random.Random(seed)  # noqa: S311 - a test's chance
    return [chance.getrandbits(64) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 10, 1_000, 20_000, 100_000])
def test_an_estimate_lies_within_four_standard_errors(count: int) -> None:
    """From a single value to many times the number of registers; few values are counted almost exactly."""
    assert estimate(make_sketch(some_hashes(count, seed=count))) == pytest.approx(count, rel=4 * STANDARD_ERROR)


def test_an_empty_sketch_has_seen_nothing() -> None:
    """Also as the merge of none."""
    assert estimate(EMPTY) == 0
    assert merge_sketches([]) == EMPTY


def test_a_full_register_does_not_break_the_estimate() -> None:
    """The highest rank, of a hash whose other bits are all zero."""
    assert max(make_sketch([0])) == MAX_RANK
    assert estimate(make_sketch([0])) == pytest.approx(1, abs=0.1)


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
    assert merge_sketches([make_sketch(hashes[:3_000]), make_sketch(hashes[2_000:])]) == make_sketch(hashes)


def test_signed_hashes_are_those_of_the_same_bits() -> None:
    """Postgres has no unsigned integers."""
    hashes = some_hashes(1_000, seed=7)
    assert make_sketch(value - 2**64 if value >> 63 else value for value in hashes) == make_sketch(hashes)


@pytest.mark.parametrize("count", [0, 1, 1_000, 100_000])
def test_a_packed_sketch_is_smaller_and_comes_back_whole(count: int) -> None:
    """A few bytes for few values."""
    sketch = make_sketch(some_hashes(count, seed=count))
    assert unpack(pack(sketch)) == sketch
    assert len(pack(sketch)) < min(REGISTERS, 100 + 4 * count)


def test_what_cannot_be_packed_is_stored_as_it_is() -> None:
    """No real sketch is so random, but none may break."""
    chance = random.Random(9)  # noqa: S311 - a test's chance
    noise = chance.randbytes(REGISTERS)
    assert unpack(pack(noise)) == noise
