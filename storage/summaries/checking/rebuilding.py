"""Rebuilding: makes the summaries of a range anew from the events of segments."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.postgres.database import Connection, Database, PooledConnection
from storage.postgres.errors import StorageUnavailableError, translated
from storage.segments.snapshot import EventReader, EventSnapshot
from storage.summaries.aggregations import replace_aggregations
from storage.summaries.checking.recount import TIMEOUT_S, find_first_events, recount, split_range
from storage.summaries.checking.verification import READ_TIMEOUT_S, find_unfounded
from storage.summaries.horizon import Horizon, lock_horizon, read_horizon, statement
from storage.summaries.parts import (
    PartKey,
    SummaryPart,
    delete_parts,
    list_parts,
    new_part,
    read_parts,
    sum_parts,
    write_parts,
)
from storage.summaries.periods import PART_OF, Period, Span, Timeframe, hours_between
from storage.summaries.sights import NO_SIGHTS, FirstSights, read_sights, see_actors
from storage.summaries.summary import Summary, add
from storage.write.hours import HOUR

MOST_TRIES = 5
"""So often a pass starts over where other processes have changed its summaries meanwhile."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What was made anew.

    Attributes:
        hours: how many, empty ones included.
        kept_periods: how many days, weeks and months stay as they were, since not all of their parts are there.
        start, end: whole hours; None where no hour of the range has all of its events.
    """

    hours: int
    kept_periods: int
    start: datetime | None
    end: datetime | None


class _ChangedMeanwhileError(Exception):
    """Another process has changed what this one was about to replace."""


@dataclass(slots=True)
class _Replaced:
    """What a snapshot has stored of the hours of a pass, and what takes its place.

    Attributes:
        span: the hours.
        folds: how often summaries had changed.
        keys: of the parts that are replaced.
        stored_sights: first sights in these hours.
        new: parts that take the place of others.
        sights: what first sights there should be in these hours.
        vanished: first sights from events that are not there.
        moved: the first events of their actors.
    """

    span: Span
    folds: int = 0
    keys: Sequence[PartKey] = ()
    stored_sights: FirstSights = NO_SIGHTS
    new: Sequence[SummaryPart] = ()
    sights: FirstSights = NO_SIGHTS
    vanished: FirstSights = NO_SIGHTS
    moved: FirstSights = NO_SIGHTS

    async def read(self, connection: PooledConnection) -> None:
        """Read what is to be replaced."""
        self.folds = (await read_horizon(connection)).folds
        self.keys = await list_parts(connection, [(Timeframe.HOUR, *self.span)])
        self.stored_sights = await read_sights(connection, *self.span)

    async def recount(self, snapshot: EventSnapshot) -> None:
        """Work out what takes its place."""
        recounted = await recount(snapshot, self.span)
        hours = {Period(Timeframe.HOUR, hour): summary for hour, summary in recounted.hours.items()}
        self.new = await asyncio.to_thread(_new_parts, hours)
        self.sights = recounted.sights
        self.vanished = await asyncio.to_thread(find_unfounded, self.stored_sights, recounted.sights)
        self.moved = await find_first_events(snapshot, self.vanished.actors) if len(self.vanished.actors) else NO_SIGHTS


async def rebuild(database: Database, reader: EventReader, start: datetime, end: datetime) -> RebuildReport:
    """Make the summaries of the days that a range touches anew, whether or not they are right.

    Only hours are made anew all of whose events are there: what lies before the horizon of raw events stays as it is.
    Days, weeks and months are the sums of their parts again, unless some of these were dropped. Beside it, others may
    store, merge and read: what they add meanwhile is not lost.

    Raises:
        SegmentError, SummaryError: something cannot be read; it is named.
        StorageUnavailableError: the database is away, or its summaries change all the time. Passes of 31 days are
            done as a whole or not at all; run it again.
    """
    async with database.acquire_reader(READ_TIMEOUT_S) as connection:
        horizon = await read_horizon(connection)
    spans = list(split_range(start, end, horizon))
    kept = [await _rebuild_pass(database, reader, span) for span in spans]
    hours = sum((span.end - span.start) // HOUR for span in spans)
    if not spans:
        return RebuildReport(0, 0, None, None)
    return RebuildReport(hours, sum(kept), spans[0].start, spans[-1].end)


async def _rebuild_pass(database: Database, reader: EventReader, span: Span) -> int:
    for _ in range(MOST_TRIES):
        replaced = _Replaced(span)
        await reader.ask(replaced.recount, TIMEOUT_S, also=replaced.read)
        connection = await database.connect_writer()
        try:
            with translated():
                async with connection.transaction():
                    return await _replace(connection, replaced)
        except _ChangedMeanwhileError:
            continue
        finally:
            connection.terminate()
    raise StorageUnavailableError("the summaries change all the time; run the rebuild again")


async def _replace(connection: Connection, replaced: _Replaced) -> int:
    horizon = await lock_horizon(connection)
    if not await delete_parts(connection, replaced.keys):
        raise _ChangedMeanwhileError
    await write_parts(connection, replaced.new)
    kept = await _sum_up(connection, hours_between(*replaced.span), horizon)
    await _replace_sights(connection, replaced, horizon)
    await connection.execute(statement("count_fold"))
    return kept


async def _sum_up(connection: Connection, hours: Sequence[datetime], horizon: Horizon) -> int:
    """Make the sums of hours, and `analytics_aggregations` of all of them, anew; return how many sums were kept."""
    periods = {Period(Timeframe.HOUR, hour) for hour in hours}
    await replace_aggregations(connection, await _read_sums(connection, Timeframe.HOUR, periods))
    kept = 0
    for timeframe, part_of in PART_OF.items():
        touched = {Period(timeframe, start) for start in timeframe.periods_of(hours)}
        periods = {period for period in touched if horizon.keeps(Period(part_of, period.start))}
        kept += len(touched) - len(periods)
        sums = await _read_sums(connection, part_of, periods)
        await delete_parts(connection, await list_parts(connection, [(*period, period.end) for period in periods]))
        await write_parts(connection, await asyncio.to_thread(_new_parts, sums))
        await replace_aggregations(connection, sums)
    return kept


async def _read_sums(connection: Connection, part_of: Timeframe, periods: Collection[Period]) -> dict[Period, Summary]:
    """Add up what is stored of the hours or days in some periods; of nothing it is an empty summary."""
    keys = await list_parts(connection, [(part_of, period.start, period.end) for period in periods])
    return await asyncio.to_thread(_sum_by_period, await read_parts(connection, keys), periods)


def _sum_by_period(parts: Sequence[SummaryPart], periods: Collection[Period]) -> dict[Period, Summary]:
    found: dict[Period, list[Summary]] = {period: [] for period in periods}
    for timeframe in {period.timeframe for period in periods}:
        for part, summary in sum_parts(parts).items():
            found[Period(timeframe, timeframe.start_of(part.start))].append(summary)
    return {period: add(some) for period, some in found.items()}


def _new_parts(sums: Mapping[Period, Summary]) -> list[SummaryPart]:
    return [new_part(period, summary) for period, summary in sums.items() if summary.counts]


async def _replace_sights(connection: Connection, replaced: _Replaced, horizon: Horizon) -> None:
    if len(replaced.vanished.actors):
        if horizon.folds != replaced.folds:
            raise _ChangedMeanwhileError  # a fold may have seen one of these actors
        await connection.execute(statement("forget_actors"), replaced.vanished.actors.tolist())
    await connection.execute(statement("recount_new"), *replaced.span)
    await see_actors(connection, replaced.sights)
    await see_actors(connection, replaced.moved)
