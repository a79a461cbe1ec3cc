"""Raw events, as the rollups that would stand for them."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from itertools import compress
from operator import not_
from typing import NamedTuple, TypeAlias

from asyncpg import Record

from storage.database import Connection
from storage.predicates import Query
from storage.rollups.cover import Span
from storage.rollups.periods import Timeframe
from storage.rollups.ranking import Ranking
from storage.rollups.session_sample import make_sample
from storage.rollups.sketch import make_sketch
from storage.rollups.totals import Distinct, Totals, read_rankings, read_rows
from storage.sql import statement


class Written(NamedTuple):
    """Which events are meant: those that some transactions have written, or all others; None stands for all events."""

    transactions: Sequence[int] | None = None
    by_them: bool = True


ALL = Written()


Fetch: TypeAlias = Callable[[Query], Awaitable[Sequence[Record]]]
"""Reads the rows of a statement."""


def fetch_on(connection: Connection) -> Fetch:
    """Read on a connection."""

    async def fetch(query: Query) -> Sequence[Record]:
        rows: Sequence[Record] = await connection.fetch(query.text, *query.parameters)
        return rows

    return fetch


async def read_events(connection: Connection, hours: Iterable[datetime]) -> Totals:
    """Make totals of the raw events of hours."""
    spans = [Span(hour, Timeframe.HOUR.end_of(hour)) for hour in hours]
    fetch = fetch_on(connection)
    totals = await aggregate_events(fetch, spans)
    totals.rankings = await rank_events(fetch, spans)
    return totals


async def aggregate_events(fetch: Fetch, spans: Sequence[Span], written: Written = ALL) -> Totals:
    """Make totals of the raw events of spans, but for rankings.

    Args:
        fetch: where to read.
        spans: of different starts, by which the totals are known.
        written: which of their events are meant.
    """
    totals = Totals()
    for row in await fetch(_query("distinct", spans, written)):
        time, inferred = row["time"], row["inferred"]
        identified = compress(row["sessions"], map(not_, inferred))
        totals.sketches[time] = Distinct(
            make_sketch(row["actors"]), make_sketch(identified), make_sketch(row["streams"])
        )
        totals.samples[time] = make_sample(time, row["sessions"], inferred, row["firsts"], row["lasts"])
    totals.rows = read_rows(await fetch(_query("aggregate", spans, written)))
    return totals


async def rank_events(
    fetch: Fetch, spans: Sequence[Span], written: Written = ALL
) -> dict[tuple[datetime, str], Ranking]:
    """Rank the raw events of spans; arguments are those of `aggregate_events`, the result is by start and name."""
    return read_rankings(await fetch(_query("rank_events", spans, written)))


def _query(name: str, spans: Sequence[Span], written: Written) -> Query:
    return Query(statement(f"rollup/{name}"), ([span.start for span in spans], [span.end for span in spans], *written))
