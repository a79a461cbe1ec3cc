"""Newcomers: how many actors were seen first in a range, to the last commit."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from asyncpg import Record

from storage.postgres.reader import Snapshot
from storage.reports.predicates import Query
from storage.rollups.cover import Span, join_spans, split_days
from storage.rollups.periods import Timeframe
from storage.rollups.raw.raw_events import ALL, WrittenRollup
from storage.rollups.raw.unfolded import Unfolded
from storage.sql import statement


async def count_newcomers(snapshot: Snapshot, spans: Sequence[Span], unfolded: Unfolded) -> list[int]:
    """Count the actors with an id of their own whose first event ever lies in each range.

    Args:
        snapshot: what to read from.
        spans: the ranges.
        unfolded: what is not folded until their end; an hour before them may hold the first event of an actor who is
            known from them.
    """
    bounds = [(*span, *_whole_hours(span)) for span in spans]
    counts: list[int] = [
        row["count"] for row in await snapshot.fetch("new_actors", *map(list, zip(*bounds, strict=True)))
    ]
    for first_at, known_at in await _find_moved(snapshot, unfolded):
        for place, span in enumerate(spans):
            counts[place] += span.start <= first_at < span.end
            counts[place] -= known_at is not None and span.start <= known_at < span.end
    return counts


def _whole_hours(span: Span) -> Span:
    start = Timeframe.HOUR.start_of(span.start)
    if start < span.start:
        start = Timeframe.HOUR.end_of(start)
    end = Timeframe.HOUR.start_of(span.end)
    # Within one hour there is none: all of the range comes before it.
    return Span(start, end) if start <= end else Span(span.end, span.end)


async def _find_moved(snapshot: Snapshot, unfolded: Unfolded) -> list[tuple[datetime, datetime | None]]:
    """Find the actors whose first sight a fold would move: to when, and from when."""
    opaque = split_days(join_spans(Span(hour, Timeframe.HOUR.end_of(hour)) for hour in sorted(unfolded.opaque)))
    rows: list[list[Record]] = []
    if unfolded.opaque:
        with snapshot.expecting(little=False):
            rows += await snapshot.fetch_each([_actors_query([span], ALL) for span in opaque])
    if unfolded.fresh:
        fresh = list(chain.from_iterable(unfolded.fresh.values()))
        rows.append(await snapshot.fetch_query(_actors_query(fresh, unfolded.newer)))
    moved: dict[int, tuple[datetime, datetime | None]] = {}
    for row in (row for some in rows for row in some):
        first_at = row["first_at"]
        if row["actor"] in moved:
            first_at = min(first_at, moved[row["actor"]][0])
        moved[row["actor"]] = (first_at, row["known_at"])
    return list(moved.values())


def _actors_query(spans: Sequence[Span], written: WrittenRollup) -> Query:
    return Query(
        statement("read/unfolded_actors"), ([span.start for span in spans], [span.end for span in spans], *written)
    )
