"""Reading summaries for a report: what one snapshot has of ranges; a process remembers what it has decoded."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias
from uuid import UUID

from storage.postgres.database import Connection, PooledConnection
from storage.summaries.parts import PartKey, SummaryPart, list_parts, read_parts
from storage.summaries.periods import Period, PeriodRange
from storage.summaries.summary import Summary, add

MOST_ENTRIES = 400_000
"""Some 85 MB, as `Summary.entries` counts: a dashboard of 7 days of dense hours needs about half of it."""

Versions: TypeAlias = tuple[UUID, ...]
"""The parts that something is the sum of."""


class SummaryMemory:
    """Keeps the sums that were used last. Versions never stand for two contents, so nothing in it is ever out of date.

    It may be used from several threads.

    Args of the constructor:
        most: keeps at most so many entries in all.
    """

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._most = most
        self._entries = 0
        self._kept: OrderedDict[Versions, Summary] = OrderedDict()
        self._lock = Lock()

    def recall(self, versions: Versions) -> Summary | None:
        """Return the sum of some parts; None where it is not known."""
        with self._lock:
            found = self._kept.get(versions)
            if found is not None:
                self._kept.move_to_end(versions)
            return found

    def keep(self, versions: Versions, summary: Summary) -> None:
        """Remember a sum, and forget what was not used for longest."""
        with self._lock:
            replaced = self._kept.pop(versions, None)  # of two who read it at once
            self._entries += summary.entries - (replaced.entries if replaced is not None else 0)
            self._kept[versions] = summary
            while self._entries > self._most:
                _, forgotten = self._kept.popitem(last=False)
                self._entries -= forgotten.entries


@dataclass(frozen=True, slots=True)
class StoredSummaries:
    """What is stored of some ranges.

    Attributes:
        versions: of the parts of each period that has any, ascending.
        known: the sums that the process remembers.
        fresh: the parts of all other periods.
    """

    versions: Mapping[Period, Versions]
    known: Mapping[Period, Summary]
    fresh: Mapping[UUID, SummaryPart]

    def sums(self, memory: SummaryMemory) -> dict[Period, Summary]:
        """Decode and add up, and remember; this takes its time, so it is called in a thread.

        Raises:
            SummaryError: a part is damaged, or a newer program wrote it; it is named.
        """
        return {period: self._sum(period, memory) for period in self.versions}

    def _sum(self, period: Period, memory: SummaryMemory) -> Summary:
        versions = self.versions[period]
        whole = self.known.get(period)
        if whole is None:
            whole = add([self.fresh[version].decode() for version in versions])
            memory.keep(versions, whole)
        return whole


async def read_summaries(
    connection: "Connection | PooledConnection",
    ranges: Iterable[PeriodRange],
    memory: SummaryMemory,
) -> StoredSummaries:
    """Read what is stored of ranges, but for what the process remembers: two statements, or one.

    Args:
        connection: in the transaction whose snapshot also tells which segments and blocks are not summarised.
        ranges: of one timeframe each, half-open; of the hours, days, weeks or months that begin in them.
        memory: of this process.
    """
    keys: dict[Period, list[PartKey]] = {}
    for key in await list_parts(connection, ranges):
        keys.setdefault(key.period, []).append(key)
    versions = {period: tuple(key.version for key in some) for period, some in keys.items()}
    recalled = {period: memory.recall(some) for period, some in versions.items()}
    known = {period: summary for period, summary in recalled.items() if summary is not None}
    missing: Sequence[PartKey] = [key for period, some in keys.items() if period not in known for key in some]
    fresh = await read_parts(connection, missing) if missing else []
    return StoredSummaries(versions, known, {part.key.version: part for part in fresh})
