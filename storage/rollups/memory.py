"""The rollups that a process has read: they change seldom, and who looks at a dashboard asks for the same again."""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple, TypeAlias

from storage.rollups.sums import Sums

MOST_ENTRIES = 400_000
"""Some 85 MB, as `Sums.entries` counts: a dashboard of 7 days of dense hours needs about half of it."""


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

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        """Keep sums of at most so many entries in all."""
        self._most = most
        self._entries = 0
        self._kept: OrderedDict[Key, Sums] = OrderedDict()

    def recall(self, key: Key) -> Sums | None:
        """Return what is known of a key; None where it is not known."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: Key, sums: Sums) -> None:
        """Remember something, and forget what was not used for longest."""
        replaced = self._kept.pop(key, None)  # of two who read it at once
        self._entries += sums.entries - (replaced.entries if replaced is not None else 0)
        self._kept[key] = sums
        while self._entries > self._most:
            _, forgotten = self._kept.popitem(last=False)
            self._entries -= forgotten.entries
