"""Counting events of ranges by rollups, and by raw events where these lack them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TypeAlias

from storage.postgres.reader import Snapshot
from storage.reports.predicates import Query
from storage.rollups.aged import RangeCover
from storage.rollups.cover import Span, join_spans, parts_of_hours
from storage.rollups.periods import Timeframe
from storage.rollups.raw.unfolded import Unfolded
from storage.rollups.reading import Wanted, fresh_hours, wanted_of
from storage.rollups.sums import Sums
from storage.sql import statement

Counts: TypeAlias = Mapping[tuple[int, str], int]
"""Events by period, counted from 1, and type."""


async def count_periods(
    snapshot: Snapshot,
    covers: Sequence[RangeCover],
    unfolded: Unfolded,
    starts: Sequence[datetime],
    known: Mapping[Span, Sequence[Sums]],
) -> Counts:
    """Count the events of ranges by type and period.

    Args:
        snapshot: what to read from.
        covers: the ranges, ascending.
        unfolded: what their rollups lack.
        starts: first moments of the periods, ascending.
        known: what adds up to parts of hours, each within one period.
    """
    parts = [part for found in covers for part in parts_of_hours(found.rest)]
    queries = [
        _counts_query([wanted for found in covers for wanted in wanted_of(found)], starts),
        *(
            Query(statement("read/event_counts"), (*span, starts))
            for span in join_spans(part for part in parts if part not in known)
        ),
    ]
    counts: defaultdict[tuple[int, str], int] = defaultdict(int)
    for rows in await snapshot.fetch_each(queries):
        for row in rows:
            counts[row["period"], row["event_type"]] += row["count"]
    for hour in (hour for found in covers for hour in fresh_hours(found, unfolded)):
        for event_type, count in unfolded.counts[hour].items():
            counts[bisect_right(starts, hour), event_type] += count
    for part in parts:
        for event_type, count in chain.from_iterable(sums.counts.items() for sums in known.get(part, ())):
            counts[bisect_right(starts, part.start), event_type] += count
    return counts


def _counts_query(wanted: Sequence[Wanted], starts: Sequence[datetime]) -> Query:
    """Ask for the counts of rollups, as few spans of them."""
    spans: list[tuple[Timeframe, bool | None, Span]] = []
    for period, frozen in wanted:
        if spans and spans[-1][:2] == (period.timeframe, frozen) and spans[-1][2].end == period.start:
            spans[-1] = (period.timeframe, frozen, Span(spans[-1][2].start, period.end))
        else:
            spans.append((period.timeframe, frozen, Span(period.start, period.end)))
    return Query(
        statement("read/rollup_counts"),
        (
            [timeframe.value for timeframe, _, _ in spans],
            [span.start for _, _, span in spans],
            [span.end for _, _, span in spans],
            [frozen for _, frozen, _ in spans],
            starts,
        ),
    )
