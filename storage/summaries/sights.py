"""First sights: when each actor was first seen, and how many were in each hour.

They are not summaries: a day's new actors are those of its hours, and they outlive the raw events, so that who comes
back after these have aged out is not new. Actors are known by their pseudonym. Events without user and session are
actors of their own, who never come back: the measure `actors` of summaries counts them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
from asyncpg import Record

from storage.postgres.database import Connection, PooledConnection
from storage.summaries.horizon import statement
from storage.summaries.periods import Span, Timeframe
from storage.write.hours import HOUR

Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

MOST_ACTORS = 50_000
"""In one statement."""
NEVER = 2**63 - 1
"""The time of an actor that has not been seen."""
NOBODY: Integers = np.zeros(0, np.int64)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class FirstSights:
    """When actors were seen first; parallel arrays.

    Attributes:
        actors: pseudonyms, ascending, each once.
        firsts: in microseconds since 1970.
    """

    actors: Integers
    firsts: Integers


NO_SIGHTS = FirstSights(NOBODY, NOBODY)


def merge_sights(parts: Sequence[FirstSights]) -> FirstSights:
    """Merge first sights of some events into those of all of them."""
    if len(parts) == 1:
        return parts[0]
    actors = np.concatenate([NOBODY, *(part.actors for part in parts)])
    firsts = np.concatenate([NOBODY, *(part.firsts for part in parts)])
    order = np.lexsort((firsts, actors))
    actors, firsts = actors[order], firsts[order]
    is_first = np.ones(len(actors), np.bool_)
    is_first[1:] = actors[1:] != actors[:-1]
    return FirstSights(actors[is_first], firsts[is_first])


async def see_actors(connection: Connection, sights: FirstSights) -> None:
    """Note first sights that are new or earlier than what is known; whoever does so holds the lock of the horizon."""
    for start in range(0, len(sights.actors), MOST_ACTORS):
        columns = await asyncio.to_thread(_columns_of, sights, start)
        await connection.execute(statement("see_actors"), *columns)


async def look_up_actors(connection: "Connection | PooledConnection", actors: Integers) -> Integers:
    """Read when actors were seen first, in microseconds since 1970; NEVER of those that are not known."""
    found = []
    for start in range(0, len(actors), MOST_ACTORS):
        some = actors[start : start + MOST_ACTORS]
        records = await connection.fetch(statement("look_up_actors"), await asyncio.to_thread(some.tolist))
        found.append(await asyncio.to_thread(_look_up, some, records))
    return np.concatenate([NOBODY, *found])


async def read_sights(connection: "Connection | PooledConnection", start: datetime, end: datetime) -> FirstSights:
    """Read the first sights in a range."""
    return await asyncio.to_thread(sights_of, await connection.fetch(statement("list_sights"), start, end))


class SightMemory:
    """Remembers what is known of actors that are not all summarised, as long as nothing is folded.

    A dashboard asks for the same ones again and again: those of blocks and small segments.
    """

    def __init__(self) -> None:
        self._folds = -1
        self._known = NO_SIGHTS

    async def look_up(self, connection: PooledConnection, actors: Integers, folds: int) -> Integers:
        """Read when actors were seen first, as `look_up_actors`.

        Args:
            connection: whose snapshot has this number of folds.
            actors: ascending, each once.
            folds: of the horizon.
        """
        known = self._known if self._folds == folds else NO_SIGHTS
        missing = await asyncio.to_thread(np.setdiff1d, actors, known.actors, assume_unique=True)
        if len(missing):
            added = FirstSights(missing, await look_up_actors(connection, missing))
            known = await asyncio.to_thread(merge_sights, [known, added])
        self._folds, self._known = folds, known
        places = np.searchsorted(known.actors, actors)
        firsts: Integers = known.firsts[places]
        return firsts


async def count_new(
    connection: PooledConnection, spans: Sequence[Span], sights: FirstSights, memory: SightMemory, folds: int
) -> list[int]:
    """Count the actors with an id of their own whose first event ever lies in each range, to the microsecond.

    Args:
        connection: in the transaction whose snapshot has told which events are not summarised.
        spans: the ranges.
        sights: first sights of all events that are not summarised, whenever they happened: one before a range tells
            that its actor is not new in it.
        memory: of this process.
        folds: of the horizon in this snapshot.
    """
    bounds = [(*span, *_whole_hours(span)) for span in spans]
    records = await connection.fetch(statement("count_new"), *map(list, zip(*bounds, strict=True)))
    known = await memory.look_up(connection, sights.actors, folds)
    moved = await asyncio.to_thread(_count_moved, sights.firsts, known, spans)
    return [row["count"] + change for row, change in zip(records, moved, strict=True)]


def microseconds_of(moment: datetime) -> int:
    """Tell a time in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def sights_of(records: Sequence[Record]) -> FirstSights:
    """Take first sights from rows in any order, each actor once."""
    actors = np.fromiter((row["actor"] for row in records), np.int64, len(records))
    firsts = np.fromiter((row["first_us"] for row in records), np.int64, len(records))
    order = np.argsort(actors)
    return FirstSights(actors[order], firsts[order])


def _columns_of(sights: FirstSights, start: int) -> tuple[list[int], list[datetime]]:
    chosen = slice(start, start + MOST_ACTORS)
    firsts = sights.firsts[chosen].tolist()
    return sights.actors[chosen].tolist(), [_EPOCH + timedelta(microseconds=first) for first in firsts]


def _look_up(actors: Integers, records: Sequence[Record]) -> Integers:
    known = sights_of(records)
    firsts = np.full(len(actors), NEVER, np.int64)
    firsts[np.searchsorted(actors, known.actors)] = known.firsts
    return firsts


def _count_moved(firsts: Integers, known: Integers, spans: Sequence[Span]) -> list[int]:
    """Tell by how much events that are not summarised change the number of first sights in each range."""
    is_earlier = firsts < known
    firsts, known = firsts[is_earlier], known[is_earlier]
    changes = []
    for span in spans:
        start, end = microseconds_of(span.start), microseconds_of(span.end)
        gained = np.count_nonzero((firsts >= start) & (firsts < end))
        lost = np.count_nonzero((known >= start) & (known < end))
        changes.append(int(gained) - int(lost))
    return changes


def _whole_hours(span: Span) -> Span:
    start = Timeframe.HOUR.start_of(span.start)
    if start < span.start:
        start += HOUR
    end = Timeframe.HOUR.start_of(span.end)
    # Within one hour there is none: all of the range comes before it.
    return Span(start, end) if start <= end else Span(span.end, span.end)
