"""Raw events, as the rollups that would stand for them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import compress
from operator import not_
from typing import NamedTuple, TypeAlias

from asyncpg import Record

from storage.postgres.database import Connection
from storage.reports.predicates import Query
from storage.rollups.cover import Span
from storage.rollups.forms.ranking import Ranking
from storage.rollups.forms.session_sample import make_sample
from storage.rollups.forms.sketch import make_sketch
from storage.rollups.periods import Timeframe
from storage.rollups.totals import Distinct, Totals, read_rankings, read_rows
from storage.sql import statement


class WrittenRollup(NamedTuple):
    """Which events are meant: those that some transactions have written, or all others; None stands for all events."""

    transactions: Sequence[int] | None = None
    by_them: bool = True


ALL = WrittenRollup()
Groups: TypeAlias = Mapping[datetime, Sequence[Span]]
"""Spans that are read as if they were one, by what they are known by."""
Fetch: TypeAlias = Callable[[Query], Awaitable[Sequence[Record]]]
"""Reads the rows of a statement."""


def _fetch_on(connection: Connection) -> Fetch:
    """Read on a connection."""

    async def fetch(query: Query) -> Sequence[Record]:
        rows: Sequence[Record] = await connection.fetch(query.text, *query.parameters)
        return rows

    return fetch


async def read_events(connection: Connection, hours: Iterable[datetime]) -> Totals:
    """Make totals of the raw events of hours."""
    groups = {hour: [Span(hour, Timeframe.HOUR.end_of(hour))] for hour in hours}
    fetch = _fetch_on(connection)
    totals = await aggregate_events(fetch, groups)
    totals.rankings = await rank_events(fetch, groups)
    return totals


async def aggregate_events(fetch: Fetch, groups: Groups, written: WrittenRollup = ALL) -> Totals:
    """Make totals of the raw events of groups of spans, but for rankings.

    Args:
        fetch: where to read.
        groups: spans, all of them apart, by a time that their totals are known by.
        written: which of their events are meant.
    """
    totals = Totals()
    for row in await fetch(_query("distinct", groups, written)):
        time, inferred = row["time"], row["inferred"]
        identified = compress(row["sessions"], map(not_, inferred))
        totals.sketches[time] = Distinct(
            make_sketch(row["actors"]), make_sketch(identified), make_sketch(row["streams"])
        )
        totals.samples[time] = make_sample(time, row["sessions"], inferred, row["firsts"], row["lasts"])
    totals.rows = read_rows(await fetch(_query("aggregate", groups, written)))
    return totals


async def rank_events(
    fetch: Fetch, groups: Groups, written: WrittenRollup = ALL
) -> dict[tuple[datetime, str], Ranking]:
    """Rank the raw events of groups of spans, by group and name; arguments are those of `aggregate_events`."""
    return read_rankings(await fetch(_query("rank_events", groups, written)))


def _query(name: str, groups: Groups, written: WrittenRollup) -> Query:
    spans = sorted((span, time) for time, some in groups.items() for span in some)
    columns = ([span.start for span, _ in spans], [span.end for span, _ in spans], [time for _, time in spans])
    return Query(statement(f"rollup/{name}"), (*columns, *written))
