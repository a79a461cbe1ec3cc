"""What is not folded: the hours with events that their rollups lack, and which events these are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from asyncpg import Record

from storage.postgres.reader import Snapshot
from storage.rollups.cover import Span
from storage.rollups.raw.raw_events import WrittenRollup

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Unfolded:
    """Hours with events that their rollups lack.

    Attributes:
        counts: how many by hour and type; of hours in which events were removed, how many more.
        fresh: those hours in which they can be told from the others, and where they lie: what happened is what the
            rollup tells and what they do.
        opaque: the other hours, of which only raw events can tell.
        transactions: who has written the fresh events of each hour.
    """

    counts: Mapping[datetime, Mapping[str, int]]
    fresh: Mapping[datetime, Sequence[Span]]
    opaque: AbstractSet[datetime]
    transactions: Mapping[datetime, Sequence[int]]

    def count_in(self, hours: Iterable[datetime]) -> int:
        """Count the unfolded events of hours."""
        return sum(sum(self.counts.get(hour, {}).values()) for hour in hours)

    @property
    def newer(self) -> WrittenRollup:
        """All fresh events."""
        return WrittenRollup(sorted({*chain.from_iterable(self.transactions.values())}), by_them=True)

    def folded_in(self, hour: datetime) -> WrittenRollup:
        """The events that an hour's rollup counts; others of the same transaction may be fresh in another hour."""
        return WrittenRollup(self.transactions.get(hour), by_them=False)


async def find_unfolded(snapshot: Snapshot, end: datetime) -> Unfolded:
    """Find the hours until some time with events that their rollups lack."""
    rows = await snapshot.fetch("unfolded_hours", end)
    fresh = [row for row in rows if row["starts"] is not None]
    return Unfolded(
        counts={row["hour"]: dict(zip(row["event_types"], row["counts"], strict=True)) for row in rows},
        fresh={row["hour"]: list(_spans_of(row)) for row in fresh},
        opaque={row["hour"] for row in rows if row["starts"] is None},
        transactions={row["hour"]: row["transactions"] for row in fresh},
    )


def _spans_of(row: Record) -> Iterator[Span]:
    for start, last in zip(row["starts"], row["ends"], strict=True):
        yield Span(start, last + INSTANT)
