"""The rollups that a process has read: they change seldom, and who looks at a dashboard asks for the same again."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from storage.rollups.sums import Part

MOST_PARTS = 1_000
"""Some 50 MB; the dashboard of 30 days needs about a hundred."""


class PartKey(NamedTuple):
    """A rollup as one transaction has written it; `timeframe` is the text that the table holds."""

    timeframe: str
    timestamp: datetime
    frozen: bool
    version: int


class RollupMemory:
    """Keeps the parts used last. A key never stands for two contents, so nothing in it is ever out of date."""

    def __init__(self, most: int = MOST_PARTS) -> None:
        """Keep at most so many parts."""
        self._most = most
        self._parts: OrderedDict[PartKey, Part] = OrderedDict()

    def lacks(self, keys: Iterable[PartKey]) -> list[PartKey]:
        """List the keys that are not known."""
        return [key for key in keys if key not in self._parts]

    def recall(self, keys: Sequence[PartKey], new: dict[PartKey, Part]) -> list[Part]:
        """Return the parts of these keys, `new` ones among them, and remember those."""
        found = [new[key] if key in new else self._parts[key] for key in keys]
        for key, part in zip(keys, found, strict=True):
            self._parts[key] = part
            self._parts.move_to_end(key)
        while len(self._parts) > self._most:
            self._parts.popitem(last=False)
        return found
