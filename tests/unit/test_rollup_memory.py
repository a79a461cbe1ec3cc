"""The memory of rollups: bounded by what is in it, and the last used stays."""

from datetime import UTC, datetime

from storage.rollups.memory import Keys, RollupKey, RollupMemory
from storage.rollups.sums import Sums

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def key(version: int) -> Keys:
    """Make the key of a rollup."""
    return (RollupKey("hour", TIME, frozen=False, version=version),)


def sums(keys: int) -> Sums:
    """Make sums with so many numbers."""
    return Sums({"view": keys}, {"view": {"viewDurations": dict.fromkeys(map(str, range(keys)), 1)}})


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    """Large sums push out several small ones."""
    small, large = sums(100), sums(250)
    memory = RollupMemory(most=4 * small.entries)
    for version in range(4):
        memory.keep(key(version), small)
    assert memory.recall(Sums, key(0)) is small
    memory.keep(key(4), large)
    assert [memory.recall(Sums, key(version)) for version in range(5)] == [small, None, None, None, large]


def test_what_is_kept_twice_counts_once() -> None:
    """Two questions may read the same rollup at once."""
    small = sums(100)
    memory = RollupMemory(most=2 * small.entries)
    memory.keep(key(0), small)
    for _ in range(5):
        memory.keep(key(1), small)
    assert memory.recall(Sums, key(0)) is small


def test_what_is_too_large_is_not_kept() -> None:
    """It is read anew each time."""
    memory = RollupMemory(most=100)
    memory.keep(key(0), sums(1000))
    assert memory.recall(Sums, key(0)) is None
    memory.keep(key(1), sums(10))
    assert memory.recall(Sums, key(1)) is not None
