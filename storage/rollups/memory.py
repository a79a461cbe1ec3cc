"""The rollups that a process has read: they change seldom, and who looks at a dashboard asks for the same again."""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple, TypeAlias

from storage.rollups.sums import Sums

MOST_KEPT = 1_000
"""Some 60 MB; the dashboard of 30 days needs about two hundred."""


class RollupKey(NamedTuple):
    """A rollup as one transaction has written it, or a slice of its hour's raw events; `length` tells which."""

    length: str
    timestamp: datetime
    frozen: bool
    version: int


Key: TypeAlias = RollupKey | tuple[RollupKey, ...]
"""A rollup, or the sum of several."""


class RollupMemory:
    """Keeps the sums used last. A key never stands for two contents, so nothing in it is ever out of date."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        """Keep at most so many."""
        self._most = most
        self._kept: OrderedDict[Key, Sums] = OrderedDict()

    def recall(self, key: Key) -> Sums | None:
        """Return what is known of a key; None where it is not known."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: Key, sums: Sums) -> None:
        """Remember something, and forget what was not used for longest."""
        self._kept[key] = sums
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
