"""The memory of summaries: bounded by what is in it, and the last used stays."""

from uuid import UUID

from storage.summaries.reading import SummaryMemory, Versions
from storage.summaries.summary import Summary


def versions(number: int) -> Versions:
    """Name the parts of a summary."""
    return (UUID(int=number),)


def summary(keys: int) -> Summary:
    """Make a summary with so many numbers."""
    return Summary({"view": keys}, {"view": {"viewDurations": dict.fromkeys(map(str, range(keys)), 1)}})


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    """Large sums push out several small ones."""
    small, large = summary(100), summary(250)
    memory = SummaryMemory(most=4 * small.entries)
    for number in range(4):
        memory.keep(versions(number), small)
    assert memory.recall(versions(0)) is small
    memory.keep(versions(4), large)
    assert [memory.recall(versions(number)) for number in range(5)] == [small, None, None, None, large]


def test_what_is_kept_twice_counts_once() -> None:
    """Two questions may read the same summary at once."""
    small = summary(100)
    memory = SummaryMemory(most=2 * small.entries)
    memory.keep(versions(0), small)
    for _ in range(5):
        memory.keep(versions(1), small)
    assert memory.recall(versions(0)) is small


def test_what_is_too_large_is_not_kept() -> None:
    """It is read anew each time."""
    memory = SummaryMemory(most=100)
    memory.keep(versions(0), summary(1000))
    assert memory.recall(versions(0)) is None
    memory.keep(versions(1), summary(10))
    assert memory.recall(versions(1)) is not None


def test_sums_of_several_parts_are_known_by_all_of_them() -> None:
    """A part more is another sum."""
    memory = SummaryMemory()
    memory.keep(versions(1) + versions(2), summary(1))
    assert memory.recall(versions(1) + versions(2)) is not None
    assert memory.recall(versions(1)) is None
    assert memory.recall(versions(1) + versions(2) + versions(3)) is None
