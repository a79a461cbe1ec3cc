"""The rollups that a process has read: they change seldom, and who looks at a dashboard asks for the same again."""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, cast

MOST_ENTRIES = 400_000
"""Some 85 MB, as `Sums.entries` counts: a dashboard of 7 days of dense hours needs about half of it."""


class RollupKey(NamedTuple):
    """A rollup as one transaction has written it, or a slice of its hour's raw events; `length` tells which."""

    length: str
    timestamp: datetime
    frozen: bool
    version: int


class Part(Protocol):
    """What is known of a rollup, or of several together."""

    @property
    def entries(self) -> int:
        """How much memory it takes."""


PartT = TypeVar("PartT", bound=Part)
Keys: TypeAlias = tuple[RollupKey, ...]
"""The rollups that something is the sum of."""


class RollupMemory:
    """Keeps what was used last. Keys never stand for two contents, so nothing in it is ever out of date."""

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        """Keep at most so many entries in all."""
        self._most = most
        self._entries = 0
        self._kept: OrderedDict[tuple[type[Part], Keys], Part] = OrderedDict()

    def recall(self, kind: type[PartT], keys: Keys) -> PartT | None:
        """Return what of this kind is known of some rollups together; None where it is not known."""
        if (kind, keys) not in self._kept:
            return None
        self._kept.move_to_end((kind, keys))
        return cast("PartT", self._kept[kind, keys])

    def keep(self, keys: Keys, part: Part) -> None:
        """Remember something, and forget what was not used for longest."""
        place = (type(part), keys)
        replaced = self._kept.pop(place, None)  # of two who read it at once
        self._entries += part.entries - (replaced.entries if replaced is not None else 0)
        self._kept[place] = part
        while self._entries > self._most:
            _, forgotten = self._kept.popitem(last=False)
            self._entries -= forgotten.entries
