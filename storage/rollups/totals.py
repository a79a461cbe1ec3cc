"""Totals: what the rollups of some periods hold, read from other rollups, and written."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from asyncpg import Record

from storage.postgres.database import Connection, PooledConnection
from storage.rollups.forms.ranking import Ranking, merge_rankings
from storage.rollups.forms.session_sample import SessionSample, merge_samples
from storage.rollups.forms.sketch import merge_sketches, pack, unpack
from storage.rollups.periods import PART_OF, Timeframe
from storage.sql import statement


@dataclass(frozen=True, slots=True)
class Total:
    """Events of one type in one period; `metadata` is Postgres's JSON text of measures, keys and numbers."""

    count: int
    metadata: str


class Distinct(NamedTuple):
    """Sketches of the actors, of the sessions and of the live streams of one period."""

    actors: bytes
    sessions: bytes
    streams: bytes


class TotalsSource(NamedTuple):
    """Rollups to add up into the period that begins at `time`: those of [start, end), frozen, live or (None) both."""

    time: datetime
    timeframe: Timeframe
    start: datetime
    end: datetime
    frozen: bool | None = None


class Cleared(NamedTuple):
    """How many rollups were deleted, and their bytes."""

    rows: int
    bytes: int


@dataclass(slots=True)
class Totals:
    """Totals by period and event type, rankings by period and name, sketches and samples of sessions by period."""

    rows: dict[tuple[datetime, str], Total] = field(default_factory=dict)
    sketches: dict[datetime, Distinct] = field(default_factory=dict)
    rankings: dict[tuple[datetime, str], Ranking] = field(default_factory=dict)
    samples: dict[datetime, SessionSample] = field(default_factory=dict)

    def update(self, other: "Totals") -> None:
        """Take in the totals of other periods."""
        self.rows.update(other.rows)
        self.sketches.update(other.sketches)
        self.rankings.update(other.rankings)
        self.samples.update(other.samples)


def sources_of(timeframe: Timeframe, periods: Iterable[datetime]) -> Iterator[TotalsSource]:
    """Name what live rollups of longer periods are summed up from: all of their parts."""
    for period in periods:
        yield TotalsSource(period, PART_OF[timeframe], period, timeframe.end_of(period))


async def sum_rollups(connection: "Connection | PooledConnection", sources: Iterable[TotalsSource]) -> Totals:
    """Add rollups up, and merge their sketches, rankings and samples."""
    listed = list(sources)
    parameters = (
        [source.time for source in listed],
        [source.timeframe.value for source in listed],
        [source.start for source in listed],
        [source.end for source in listed],
        [source.frozen for source in listed],
    )
    parts: Mapping[datetime, list[Distinct]] = defaultdict(list)
    for row in await connection.fetch(statement("rollup/part_sketches"), *parameters):
        parts[row["time"]].append(Distinct(*(unpack(row[kind]) for kind in Distinct._fields)))
    samples: Mapping[datetime, list[SessionSample]] = defaultdict(list)
    for row in await connection.fetch(statement("rollup/part_samples"), *parameters):
        samples[row["time"]].append(_read_sample(row))
    return Totals(
        read_rows(await connection.fetch(statement("rollup/sum_parts"), *parameters)),
        {time: Distinct(*map(merge_sketches, zip(*some, strict=True))) for time, some in parts.items()},
        read_rankings(await connection.fetch(statement("rollup/part_rankings"), *parameters)),
        {time: merge_samples(some) for time, some in samples.items()},
    )


async def replace_rollups(
    connection: Connection, timeframe: Timeframe, periods: Sequence[datetime], totals: Totals, *, frozen: bool
) -> None:
    """Write the rollups of these periods anew; a period without totals has none afterwards."""
    await clear_rollups(connection, timeframe, periods, frozen=frozen)
    rows, sketches, rankings, samples = totals.rows, totals.sketches, totals.rankings, totals.samples
    await connection.execute(
        statement("rollup/add_rollups"),
        timeframe.value,
        frozen,
        [time for time, _ in rows],
        [event_type for _, event_type in rows],
        [total.count for total in rows.values()],
        [total.metadata for total in rows.values()],
    )
    await connection.execute(
        statement("rollup/add_sketches"),
        timeframe.value,
        frozen,
        list(sketches),
        *([pack(getattr(distinct, kind)) for distinct in sketches.values()] for kind in Distinct._fields),
    )
    await connection.executemany(
        statement("rollup/add_ranking"),
        [
            (
                *(timeframe.value, frozen, time, name, ranking.kinds, ranking.names),
                *(_write_array(ranking.counts), _write_array(ranking.amounts), ranking.error),
            )
            for (time, name), ranking in rankings.items()
        ],
    )
    await connection.executemany(
        statement("rollup/add_sample"),
        [
            (timeframe.value, frozen, time, sample.threshold, *map(_write_array, sample[1:]))
            for time, sample in samples.items()
        ],
    )


async def clear_rollups(
    connection: Connection, timeframe: Timeframe, periods: Sequence[datetime], *, frozen: bool | None
) -> Cleared:
    """Delete the rollups of these periods, frozen, live or (None) both."""
    row = await connection.fetchrow(statement("rollup/clear_rollups"), timeframe.value, periods, frozen)
    assert row is not None  # noqa: S101 - the statement always answers one row
    return Cleared(row["rows"], row["bytes"])


def _write_array(values: Iterable[object]) -> str:
    """Write numbers or booleans as Postgres reads an array, in a fifth of the time that the driver takes."""
    return f"{{{','.join(map(str, values))}}}".replace("None", "NULL")


def read_rows(records: Iterable[Record]) -> dict[tuple[datetime, str], Total]:
    """Read totals by period and event type, each of which occurs once."""
    return {(row["time"], row["event_type"]): Total(row["count"], row["metadata"]) for row in records}


def read_rankings(records: Iterable[Record]) -> dict[tuple[datetime, str], Ranking]:
    """Read rankings by period and name, and merge those that occur several times."""
    parts: Mapping[tuple[datetime, str], list[Ranking]] = defaultdict(list)
    for row in records:
        parts[row["time"], row["ranking"]].append(Ranking(*(row[name] for name in Ranking._fields)))
    return {key: merge_rankings(some) for key, some in parts.items()}


def _read_sample(row: Record) -> SessionSample:
    return SessionSample(*(row[name] for name in SessionSample._fields))
