"""The table `analytics_aggregations`: counts and measures of summaries as rows, for SQL and BI tools."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import orjson
from asyncpg import Record

from storage.postgres.database import Connection, PooledConnection
from storage.summaries.horizon import statement
from storage.summaries.periods import Period, PeriodRange, Timeframe
from storage.summaries.summary import Measures, Summary, add_measures

UNLISTED = frozenset({"viewDurations"})
"""Measures that the table lacks: hundreds of buckets, of which SQL makes nothing; the dashboard has the median."""


class AggregationKey(NamedTuple):
    """Events of one type in one period."""

    period: Period
    event_type: str


class Aggregation(NamedTuple):
    """How many they are, and their measures."""

    events: int
    measures: Measures


Aggregations = Mapping[AggregationKey, Aggregation]


def aggregations_of(summaries: Mapping[Period, Summary]) -> dict[AggregationKey, Aggregation]:
    """Take from summaries what the table holds."""
    return {
        AggregationKey(period, event_type): Aggregation(
            count,
            {
                measure: keys
                for measure, keys in summary.measures.get(event_type, {}).items()
                if measure not in UNLISTED
            },
        )
        for period, summary in summaries.items()
        for event_type, count in summary.counts.items()
    }


async def add_aggregations(connection: Connection, added: Aggregations) -> None:
    """Add to what is there; whoever does so holds the lock of the horizon."""
    records = await connection.fetch(
        statement("read_aggregations"),
        [key.period.timeframe.value for key in added],
        [key.period.start for key in added],
        [key.event_type for key in added],
    )
    await _write(connection, await asyncio.to_thread(_rows_of_sums, added, records))


async def replace_aggregations(connection: Connection, summaries: Mapping[Period, Summary]) -> None:
    """Write those of some periods anew; whoever does so holds the lock of the horizon."""
    await connection.execute(
        statement("delete_aggregations"),
        [period.timeframe.value for period in summaries],
        [period.start for period in summaries],
    )
    await _write(connection, await asyncio.to_thread(_rows_of, aggregations_of(summaries)))


async def read_aggregations(
    connection: "Connection | PooledConnection", ranges: Iterable[tuple[Timeframe, datetime, datetime]]
) -> dict[AggregationKey, Aggregation]:
    """Read those of ranges, each of one timeframe and half-open."""
    columns = [list(column) for column in zip(*ranges, strict=True)]
    timeframes, starts, ends = columns or ([], [], [])
    records = await connection.fetch(
        statement("list_aggregations"), [timeframe.value for timeframe in timeframes], starts, ends
    )
    return await asyncio.to_thread(_read, records)


async def count_series(
    connection: PooledConnection, ranges: Iterable[PeriodRange], starts: Sequence[datetime]
) -> dict[tuple[int, str], int]:
    """Count the summarised events of a series.

    Args:
        connection: in the transaction of a snapshot.
        ranges: periods to count, as the timeframe and a half-open range of their starts.
        starts: first moments of the periods of the series, ascending.

    Returns:
        Counts by place of the period, from 0, and event type.
    """
    listed = list(ranges)
    records = await connection.fetch(
        statement("count_series"),
        [timeframe.value for timeframe, _, _ in listed],
        [start for _, start, _ in listed],
        [end for _, _, end in listed],
        starts,
    )
    return {(record["period"] - 1, record["event_type"]): record["count"] for record in records}


def _read(records: Iterable[Record]) -> dict[AggregationKey, Aggregation]:
    return {
        AggregationKey(Period(Timeframe(row["timeframe"]), row["timestamp"]), row["event_type"]): Aggregation(
            row["count"], json.loads(row["metadata"], parse_float=Decimal)
        )
        for row in records
    }


def _rows_of_sums(added: Aggregations, records: Iterable[Record]) -> "_Rows":
    sums = dict(added)
    for key, known in _read(records).items():
        # Under one name, since there is one type on both sides.
        measures = add_measures([{"": known.measures}, {"": added[key].measures}])[""]
        sums[key] = Aggregation(known.events + added[key].events, measures)
    return _rows_of(sums)


_Rows = tuple[list[str], list[datetime], list[str], list[int], list[str]]


def _rows_of(aggregations: Aggregations) -> _Rows:
    return (
        [key.period.timeframe.value for key in aggregations],
        [key.period.start for key in aggregations],
        [key.event_type for key in aggregations],
        [aggregation.events for aggregation in aggregations.values()],
        [_write_json(aggregation.measures) for aggregation in aggregations.values()],
    )


async def _write(connection: Connection, rows: _Rows) -> None:
    await connection.execute(statement("write_aggregations"), *rows)


def _write_json(measures: Measures) -> str:
    """Write measures as JSON, with decimals as numbers of all their digits."""
    return orjson.dumps(measures, default=_write_decimal).decode()


def _write_decimal(value: object) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError
    return orjson.Fragment(f"{value:f}".encode())
