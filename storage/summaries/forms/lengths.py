"""Lengths by bucket: the counts of `viewDurations`, which `Summary` defines, and what they tell."""

from collections.abc import Mapping

RATIO = 1.01 / 0.99
"""A bucket's upper bound over its lower one."""
LARGEST_ERROR = 0.01
"""What a bucket's middle is off at most, as a share."""


def find_median(buckets: Mapping[int, int]) -> float | None:
    """Find the median in seconds, of an even number the mean of the middle two; None of no lengths.

    Example:
        >>> round(find_median({0: 2, 35: 1}), 9)
        0.99
    """
    total = sum(buckets.values())
    if not total:
        return None
    lower, upper = _middle(buckets, (total - 1) // 2), _middle(buckets, total // 2)
    return (lower + upper) / 2


def _middle(buckets: Mapping[int, int], place: int) -> float:
    """Find the middle of the bucket that holds the length of this place, counted from 0."""
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen > place:
            return 2 * RATIO**bucket / (RATIO + 1)
    raise IndexError(place)
