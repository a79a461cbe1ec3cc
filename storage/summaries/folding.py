"""Folding: adds events to the summaries, in the transaction in which their segments are merged first."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from storage.postgres.database import Connection, Database
from storage.postgres.errors import translated
from storage.summaries.aggregations import Aggregation, AggregationKey, add_aggregations, aggregations_of
from storage.summaries.horizon import lock_horizon, statement
from storage.summaries.parts import (
    PartKey,
    SummaryPart,
    add_up_periods,
    delete_parts,
    list_sizes,
    new_part,
    read_parts,
    sum_parts,
    write_parts,
)
from storage.summaries.periods import Period, Timeframe
from storage.summaries.sights import FirstSights, merge_sights, see_actors
from storage.summaries.summarise import first_sights, summarise
from storage.summaries.summary import Summary, add

MANY_PARTS = 8
"""Readers add up fewer than so many parts of a period."""
LEAST_GAIN = 4
"""A part is not rewritten for others that add up to less than a quarter of it, or each late event would cost as much as
its hour is large."""
PERIODS_AT_ONCE = 50
"""In one transaction, which takes some 100 ms: folds wait for it."""

Also = Callable[[Connection], Awaitable[bool]]
"""What a transaction does besides; it returns False where another process was first."""


@dataclass(frozen=True, slots=True)
class PreparedFold:
    """What some events add to the summaries.

    Attributes:
        parts: of hours, days, weeks and months.
        aggregations: of the same periods.
        sights: of their actors.
    """

    parts: Sequence[SummaryPart]
    aggregations: Mapping[AggregationKey, Aggregation]
    sights: FirstSights


class SummaryKeeper:
    """Adds to the summaries of one database, and puts their parts together.

    Any number of processes may do so at once: changes of summaries take turns, and a fold is part of the transaction
    that says that its segments are summarised.

    Args of the constructor:
        database: a migrated one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, tables: Sequence[pa.Table]) -> Also:
        """Summarise tables of events, and return what adds them in a transaction; nothing is computed in that.

        Args:
            tables: sorted, with at least the columns of SUMMARY_COLUMNS.

        Raises:
            SummaryError, StorageUnavailableError: as `compact`, which comes first.
        """
        await self.compact()
        prepared = await asyncio.to_thread(prepare_fold, tables)

        async def also(connection: Connection) -> bool:
            await apply_fold(connection, prepared)
            return True

        return also

    async def compact(self) -> int:
        """Put summaries of many parts together; return how many periods were. Killed anywhere, nothing is lost.

        Raises:
            SummaryError: a part cannot be read; it is named, and stays.
            StorageUnavailableError: the database is away.
        """
        connection = await self._database.connect_writer()
        count = 0
        try:
            with translated():
                while periods := await _list_crowded(connection):
                    async with connection.transaction():
                        await _put_together(connection, periods)
                    count += len(periods)
        finally:
            connection.terminate()
        return count


def prepare_fold(tables: Sequence[pa.Table]) -> PreparedFold:
    """Work out what the events of tables add."""
    hours: defaultdict[datetime, list[Summary]] = defaultdict(list)
    for table in tables:
        for hour, summary in summarise(table).items():
            hours[hour].append(summary)
    sums = add_up_periods({hour: add(parts) for hour, parts in hours.items()})
    return PreparedFold(
        [new_part(period, summary) for period, summary in sums.items()],
        aggregations_of(sums),
        merge_sights([FirstSights(*first_sights(table)) for table in tables]),
    )


async def apply_fold(connection: Connection, prepared: PreparedFold) -> None:
    """Add what was prepared, in the caller's transaction. Hours and days that have been dropped are left out."""
    horizon = await lock_horizon(connection)
    await write_parts(connection, [part for part in prepared.parts if horizon.keeps(part.key.period)])
    await add_aggregations(
        connection, {key: found for key, found in prepared.aggregations.items() if horizon.keeps(key.period)}
    )
    await see_actors(connection, prepared.sights)
    await connection.execute(statement("count_fold"))


async def _list_crowded(connection: Connection) -> list[Period]:
    rows = await connection.fetch(statement("list_crowded"), MANY_PARTS, PERIODS_AT_ONCE)
    return [Period(Timeframe(row["timeframe"]), row["timestamp"]) for row in rows]


async def _put_together(connection: Connection, periods: Sequence[Period]) -> None:
    await lock_horizon(connection)
    keys = [
        key
        for parts in (await list_sizes(connection, periods)).values()
        if len(parts) >= MANY_PARTS
        for key in choose_parts(parts)
    ]
    together = await asyncio.to_thread(_join_parts, await read_parts(connection, keys))
    await delete_parts(connection, keys)
    await write_parts(connection, together)


def choose_parts(sizes: Mapping[PartKey, int]) -> list[PartKey]:
    """Choose the parts of a period to put together: as many as may be without rewriting a large one for small ones.

    Args:
        sizes: of all parts, ascending.
    """
    chosen: list[PartKey] = []
    total = 0
    candidates: list[PartKey] = []
    for key, size in sizes.items():
        candidates.append(key)
        if size <= LEAST_GAIN * total:
            chosen = list(candidates)
        total += size
    return chosen or candidates


def _join_parts(parts: Sequence[SummaryPart]) -> list[SummaryPart]:
    return [new_part(period, summary) for period, summary in sum_parts(parts).items()]
