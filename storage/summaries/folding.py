"""Folding: adds events to the summaries, in the transaction in which their segments are merged first."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import structlog

from storage.postgres.database import Connection, Database
from storage.postgres.errors import translated
from storage.summaries.aggregations import Aggregation, AggregationKey, add_aggregations, aggregations_of
from storage.summaries.codec import SummaryError
from storage.summaries.horizon import lock_horizon, statement
from storage.summaries.parts import (
    PartKey,
    SummaryPart,
    add_up_periods,
    delete_parts,
    group_parts,
    list_sizes,
    name_of,
    new_part,
    read_parts,
    write_parts,
)
from storage.summaries.periods import Period, Timeframe
from storage.summaries.sights import FirstSights, merge_sights, see_actors
from storage.summaries.summarise import first_sights, summarise
from storage.summaries.summary import Summary, add

log = structlog.get_logger(__name__)

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
        self._damaged: set[Period] = set()

    async def prepare(self, tables: Sequence[pa.Table]) -> Also:
        """Summarise tables of events, and return what adds them in a transaction; nothing is computed in that.

        Args:
            tables: sorted, with at least the columns of SUMMARY_COLUMNS.
        """
        prepared = await asyncio.to_thread(prepare_fold, tables)

        async def also(connection: Connection) -> bool:
            await apply_fold(connection, prepared)
            return True

        return also

    async def compact(self) -> int:
        """Put summaries of many parts together; return how many periods were. Killed anywhere, nothing is lost.

        A summary that cannot be read is named in the log, and stays as it is.

        Raises:
            StorageUnavailableError: the database is away.
        """
        connection = await self._database.connect_writer()
        count = 0
        try:
            with translated():
                while periods := [one for one in await _list_crowded(connection) if one not in self._damaged]:
                    async with connection.transaction():
                        damaged = await _put_together(connection, periods)
                    self._damaged |= damaged
                    count += len(periods) - len(damaged)
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


async def _put_together(connection: Connection, periods: Sequence[Period]) -> set[Period]:
    """Put the parts of periods together; answer the periods of which a part cannot be read."""
    await lock_horizon(connection)
    keys = [
        key
        for parts in (await list_sizes(connection, periods)).values()
        if len(parts) >= MANY_PARTS
        for key in choose_parts(parts)
    ]
    together, damaged = await asyncio.to_thread(_join_parts, await read_parts(connection, keys))
    await delete_parts(connection, [key for key in keys if key.period not in damaged])
    await write_parts(connection, together)
    return damaged


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


def _join_parts(parts: Sequence[SummaryPart]) -> tuple[list[SummaryPart], set[Period]]:
    joined: list[SummaryPart] = []
    damaged: set[Period] = set()
    for period, some in group_parts(parts).items():
        try:
            joined.append(new_part(period, add([part.decode() for part in some])))
        except SummaryError as exc:
            log.error("summary_unreadable", period=name_of(period), reason=exc.reason, error=str(exc))  # noqa: TRY400 - the message is the story
            damaged.add(period)
    return joined, damaged
