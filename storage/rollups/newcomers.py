"""Newcomers: how many actors were seen first in a range, to the last commit."""

from collections.abc import Collection, Sequence
from datetime import datetime

from storage.predicates import Query
from storage.reader import Snapshot
from storage.rollups.cover import Span, join_spans, split_days
from storage.rollups.periods import Timeframe
from storage.sql import statement


async def count_newcomers(snapshot: Snapshot, spans: Sequence[Span], unfolded: Collection[datetime]) -> list[int]:
    """Count the actors with an id of their own whose first event ever lies in each range.

    Args:
        snapshot: what to read from.
        spans: the ranges.
        unfolded: all hours until the end of the ranges with events that are not folded; an earlier one may hold the
            first event of an actor who is known from the ranges.
    """
    counts = []
    for span in spans:
        row = await snapshot.fetch_one("new_actors", *span, *_whole_hours(span))
        counts.append(row["count"])
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


async def _find_moved(snapshot: Snapshot, unfolded: Collection[datetime]) -> list[tuple[datetime, datetime | None]]:
    """Find the actors whose first sight a fold would move: to when, and from when."""
    hours = join_spans(Span(hour, Timeframe.HOUR.end_of(hour)) for hour in sorted(unfolded))
    rows = await snapshot.fetch_each([Query(statement("read/unfolded_actors"), span) for span in split_days(hours)])
    moved: dict[int, tuple[datetime, datetime | None]] = {}
    for row in (row for some in rows for row in some):
        first_at = row["first_at"]
        if row["actor"] in moved:
            first_at = min(first_at, moved[row["actor"]][0])
        moved[row["actor"]] = (first_at, row["known_at"])
    return list(moved.values())
