"""The parts of summaries: rows of `analytics_summaries`, which add up to the summary of their period.

A fold only adds parts, small ones where few events are late: nothing large is read or written anew for them. What has
become many parts is put together now and then.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from asyncpg import Record

from storage.postgres.database import Connection, PooledConnection
from storage.summaries.codec import FORMAT, decode, encode
from storage.summaries.horizon import statement
from storage.summaries.periods import PART_OF, Period, Timeframe
from storage.summaries.summary import Summary, add

_PART_COLUMNS = ("timeframe", "timestamp", "version", "format", "data")


class PartKey(NamedTuple):
    """A part of a summary; its content never changes."""

    period: Period
    version: UUID


class SummaryPart(NamedTuple):
    """A part as it is stored."""

    key: PartKey
    format: int
    data: bytes

    def decode(self) -> Summary:
        """Read it.

        Raises:
            SummaryError: it is damaged, or a newer program wrote it.
        """
        return decode(self.format, self.data, name_of(self.key.period))


def name_of(period: Period) -> str:
    """Name a period in errors and reports.

    Example:
        >>> from datetime import UTC
        >>> name_of(Period(Timeframe.HOUR, datetime(2026, 3, 1, 12, tzinfo=UTC)))
        'hour 2026-03-01 12:00'
    """
    return f"{period.timeframe.value} {period.start:%Y-%m-%d %H:%M}"


def new_part(period: Period, summary: Summary) -> SummaryPart:
    """Make a part of what is to be stored of a period, without the rarest contents and paths if there are many."""
    return SummaryPart(PartKey(period, uuid4()), FORMAT, encode(summary.cut()))


def add_up_periods(hours: Mapping[datetime, Summary]) -> dict[Period, Summary]:
    """Add hours up into the days, weeks and months that hold them; the hours are in the result too."""
    sums = {Period(Timeframe.HOUR, hour): summary for hour, summary in hours.items()}
    for timeframe, part_of in PART_OF.items():
        found: defaultdict[Period, list[Summary]] = defaultdict(list)
        for period, summary in sums.items():
            if period.timeframe is part_of:
                found[Period(timeframe, timeframe.start_of(period.start))].append(summary)
        sums.update({period: add(parts) for period, parts in found.items()})
    return sums


async def list_parts(
    connection: "Connection | PooledConnection", ranges: Iterable[tuple[Timeframe, datetime, datetime]]
) -> list[PartKey]:
    """List the parts of ranges, each of one timeframe and half-open, by period."""
    listed = list(ranges)
    rows = await connection.fetch(
        statement("list_versions"),
        [timeframe.value for timeframe, _, _ in listed],
        [start for _, start, _ in listed],
        [end for _, _, end in listed],
    )
    keys = (PartKey(Period(Timeframe(row["timeframe"]), row["timestamp"]), row["version"]) for row in rows)
    return sorted(keys, key=lambda key: (key.period.timeframe.value, key.period.start, key.version))


async def list_sizes(connection: Connection, periods: Sequence[Period]) -> dict[Period, dict[PartKey, int]]:
    """List the parts of periods with their bytes, smallest first."""
    rows = await connection.fetch(
        statement("list_sizes"), [period.timeframe.value for period in periods], [period.start for period in periods]
    )
    sizes: defaultdict[Period, dict[PartKey, int]] = defaultdict(dict)
    for row in rows:
        period = Period(Timeframe(row["timeframe"]), row["timestamp"])
        sizes[period][PartKey(period, row["version"])] = row["bytes"]
    return sizes


async def read_parts(connection: "Connection | PooledConnection", keys: Sequence[PartKey]) -> list[SummaryPart]:
    """Read parts; those that are gone are missing."""
    by_version = {key.version: key for key in keys}
    rows = await connection.fetch(statement("read_parts"), *_columns_of(keys))
    return [_part_of(row, by_version) for row in rows]


async def write_parts(connection: Connection, parts: Sequence[SummaryPart]) -> None:
    """Add parts."""
    await connection.copy_records_to_table(
        "analytics_summaries",
        records=[
            (part.key.period.timeframe.value, part.key.period.start, part.key.version, part.format, part.data)
            for part in parts
        ],
        columns=_PART_COLUMNS,
    )


async def delete_parts(connection: Connection, keys: Sequence[PartKey]) -> bool:
    """Delete parts; tell whether all of them were there."""
    return bool(await connection.fetchval(statement("delete_parts"), *_columns_of(keys)) == len(keys))


def group_parts(parts: Iterable[SummaryPart]) -> dict[Period, list[SummaryPart]]:
    """Group parts by period."""
    grouped: defaultdict[Period, list[SummaryPart]] = defaultdict(list)
    for part in parts:
        grouped[part.key.period].append(part)
    return dict(grouped)


def sum_parts(parts: Iterable[SummaryPart]) -> dict[Period, Summary]:
    """Decode parts, and add those of a period up.

    Raises:
        SummaryError: one of them is damaged, or a newer program wrote it.
    """
    return {period: add([part.decode() for part in some]) for period, some in group_parts(parts).items()}


def _columns_of(keys: Sequence[PartKey]) -> tuple[list[str], list[datetime], list[UUID]]:
    return (
        [key.period.timeframe.value for key in keys],
        [key.period.start for key in keys],
        [key.version for key in keys],
    )


def _part_of(row: Record, by_version: Mapping[UUID, PartKey]) -> SummaryPart:
    return SummaryPart(by_version[row["version"]], row["format"], row["data"])
