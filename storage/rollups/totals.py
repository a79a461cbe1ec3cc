"""Totals: what the rollups of some periods hold, read from raw events or from other rollups, and written."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from asyncpg import Record

from storage.database import Connection, PooledConnection
from storage.rollups.periods import PART_OF, Timeframe
from storage.rollups.session_sample import MAX_KEYS, SessionSample, merge_samples
from storage.rollups.sketch import make_sketch, merge_sketches, pack, unpack
from storage.sql import statement

MAX_RANKED = 1000
"""Entries of a ranking. Its tail is long: keeping all would make a rollup grow with what it counts."""


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


class Ranking(NamedTuple):
    """The most frequent things of one period, most frequent first; parallel lists.

    Attributes:
        kinds, names: content types and ids, or currencies and conversion paths.
        counts: of views, or of purchases.
        amounts: revenue of paths; None of contents.
        error: no thing occurs more often than its count here, or zero, and this.
    """

    kinds: tuple[str | None, ...]
    names: tuple[str, ...]
    counts: tuple[int, ...]
    amounts: tuple[Decimal | None, ...]
    error: int


class Source(NamedTuple):
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


def sources_of(timeframe: Timeframe, periods: Iterable[datetime]) -> Iterator[Source]:
    """Name what live rollups of longer periods are summed up from: all of their parts."""
    for period in periods:
        yield Source(period, PART_OF[timeframe], period, timeframe.end_of(period))


async def aggregate_events(connection: "Connection | PooledConnection", start: datetime, end: datetime) -> Totals:
    """Aggregate the raw events of [start, end) by hour; of hours that it cuts, the part inside."""
    distinct = await connection.fetch(statement("rollup/distinct"), start, end)
    sampled = await connection.fetch(statement("rollup/sample_sessions"), start, end, MAX_KEYS)
    return Totals(
        _read_rows(await connection.fetch(statement("rollup/aggregate"), start, end)),
        {row["time"]: Distinct(*(make_sketch(row[kind]) for kind in Distinct._fields)) for row in distinct},
        _read_rankings(await connection.fetch(statement("rollup/rank_events"), start, end, MAX_RANKED)),
        {row["time"]: merge_samples([_read_sample(row)]) for row in sampled},
    )


async def sum_rollups(connection: "Connection | PooledConnection", sources: Iterable[Source]) -> Totals:
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
        _read_rows(await connection.fetch(statement("rollup/sum_parts"), *parameters)),
        {time: Distinct(*map(merge_sketches, zip(*some, strict=True))) for time, some in parts.items()},
        _read_rankings(await connection.fetch(statement("rollup/rank_parts"), *parameters, MAX_RANKED)),
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
        [(timeframe.value, frozen, time, name, *ranking) for (time, name), ranking in rankings.items()],
    )
    await connection.executemany(
        statement("rollup/add_sample"),
        [(timeframe.value, frozen, time, *sample) for time, sample in samples.items()],
    )


async def clear_rollups(
    connection: Connection, timeframe: Timeframe, periods: Sequence[datetime], *, frozen: bool | None
) -> Cleared:
    """Delete the rollups of these periods, frozen, live or (None) both."""
    row = await connection.fetchrow(statement("rollup/clear_rollups"), timeframe.value, periods, frozen)
    assert row is not None  # noqa: S101 - the statement always answers one row
    return Cleared(row["rows"], row["bytes"])


def _read_rows(records: Iterable[Record]) -> dict[tuple[datetime, str], Total]:
    return {(row["time"], row["event_type"]): Total(row["count"], row["metadata"]) for row in records}


def _read_rankings(records: Iterable[Record]) -> dict[tuple[datetime, str], Ranking]:
    return {
        (row["time"], row["ranking"]): Ranking(
            tuple(row["kinds"]), tuple(row["names"]), tuple(row["counts"]), tuple(row["amounts"]), row["error"]
        )
        for row in records
    }


def _read_sample(row: Record) -> SessionSample:
    return SessionSample(
        row["threshold"], tuple(row["keys"]), tuple(row["inferred"]), tuple(row["firsts"]), tuple(row["lasts"])
    )
