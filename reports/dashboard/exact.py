"""The exact dashboard: one pass over tables that hold all events of their actors, whose parts add up.

Users belong to one actor, and so do sessions without an id: they are counted in each table and added. A session with an
id may go from one actor to another when somebody signs in, so these, streams and view durations are kept as distinct
values until the end: some 24 bytes a session, 16 a duration.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from reports.dashboard.figures import DistinctFigures, RangeFigures, dashboard_of
from reports.dashboard.rows import DashboardQuestion, DashboardRows
from storage.segments.scopes import EventScope, microseconds
from storage.segments.snapshot import EventSnapshot
from storage.summaries.columns import (
    MISSING,
    Integers,
    Texts,
    count_by,
    integers_of,
    spans_by,
    starts_of_runs,
    texts_of,
    values_of,
)
from storage.summaries.counting import count_groups
from storage.summaries.forms.hashes import hash_texts
from storage.summaries.forms.session_sample import LONGEST_US, PAUSE_US
from storage.summaries.summarise import SUMMARY_COLUMNS
from storage.summaries.summary import Summary, add

_Numbers = np.ndarray[Any, Any]
_CURRENT, _PREVIOUS = 1, 0


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """What is distinct in a range, of some actors.

    Attributes:
        users: how many actors.
        inferred: how many sessions without an id.
        inferred_us: what those last altogether, in microseconds.
        sessions: hashes of session ids, ascending and distinct.
        firsts, lasts: of each of these sessions, the time of the first and of the last event.
        streams: hashes of stream ids, distinct.
        seconds: view durations, ascending and distinct.
        views: how many views have each of these durations.
    """

    users: int
    inferred: int
    inferred_us: int
    sessions: Integers
    firsts: Integers
    lasts: Integers
    streams: Integers
    seconds: _Numbers
    views: Integers


@dataclass(frozen=True, slots=True)
class DashboardPart:
    """What some actors add to a dashboard: the range, the one before, and events by the place of period and type."""

    summaries: tuple[Summary, Summary]
    distinct: tuple[DistinctValues, DistinctValues]
    series: dict[tuple[int, str], int]


async def read_dashboard(
    snapshot: EventSnapshot, question: DashboardQuestion, newcomers: Sequence[int]
) -> DashboardRows:
    """Read what a dashboard shows from all events of both ranges, in bounded memory.

    Args:
        snapshot: what to read from.
        question: the ranges.
        newcomers: how many actors with an id were seen first in the range, and in the one before; older events tell.

    Raises:
        SegmentError: a segment cannot be read.
        StorageUnavailableError: the place of segments is away.
    """
    scope = EventScope(question.previous_start, question.end, columns=SUMMARY_COLUMNS)
    parts = [
        await asyncio.to_thread(count_part, table, question) async for table in snapshot.by_actor(scope) if len(table)
    ]
    return await asyncio.to_thread(rows_of, parts, newcomers)


def count_part(table: pa.Table, question: DashboardQuestion) -> DashboardPart:
    """Count the events of some actors.

    Args:
        table: all of their events of both ranges, at least one, sorted; with the columns of SUMMARY_COLUMNS. Others may
            be among them.
        question: the ranges.
    """
    times = integers_of(table, "timestamp")
    is_asked = (times >= microseconds(question.previous_start)) & (times < microseconds(question.end))
    if not is_asked.all():
        table, times = table.filter(pa.array(is_asked)), times[is_asked]
    groups = (times >= microseconds(question.start)).astype(np.int64)
    counted = count_groups(table, groups, 2)
    previous, current = (Summary(one.counts, one.measures, content=one.content, paths=one.paths) for one in counted)
    rows = [np.flatnonzero(groups == group) for group in (_CURRENT, _PREVIOUS)]
    inside, before = (_distinct(table.take(pa.array(some))) for some in rows)
    return DashboardPart((current, previous), (inside, before), _series(table, times, question))


def rows_of(parts: Sequence[DashboardPart], newcomers: Sequence[int]) -> DashboardRows:
    """Add parts up: what a dashboard shows; arguments are those of `read_dashboard`."""
    current, previous = (
        RangeFigures(
            add([part.summaries[place] for part in parts]),
            _figures([part.distinct[place] for part in parts], newcomers[place]),
        )
        for place in range(2)
    )
    series: dict[tuple[int, str], int] = {}
    for part in parts:
        for key, count in part.series.items():
            series[key] = series.get(key, 0) + count
    return dashboard_of(current, previous, series)


def _series(table: pa.Table, times: Integers, question: DashboardQuestion) -> dict[tuple[int, str], int]:
    types = texts_of(table, "event_type").compact()
    starts = np.array([microseconds(start) for start in question.period_starts])
    periods = np.searchsorted(starts, times, "right") - 1
    inside = periods >= 0
    sizes = [len(starts), max(len(types.distinct), 1)]
    (places, codes), counts = count_by([periods[inside], types.codes[inside]], sizes)
    names = types.distinct.to_pylist()
    keys = ((place, names[code]) for place, code in zip(places.tolist(), codes.tolist(), strict=True))
    return dict(zip(keys, counts.tolist(), strict=True))


def _distinct(table: pa.Table) -> DistinctValues:
    actors, times = integers_of(table, "actor_hash"), integers_of(table, "timestamp")
    sessions = texts_of(table, "session_id")
    inferred, inferred_us = _count_inferred(actors, times, np.flatnonzero(sessions.codes == MISSING))
    named = np.flatnonzero(sessions.codes != MISSING)
    ids = Texts(sessions.codes[named], sessions.distinct).compact()
    keys, firsts, lasts = spans_by(ids.codes, times[named])
    hashes = hash_texts(ids.distinct, "session")[keys]
    order = np.argsort(hashes)
    streams = texts_of(table, "stream.stream_id").compact()
    seconds, views = np.unique(values_of(table, "view.view_duration")[0], return_counts=True)
    return DistinctValues(
        users=len(starts_of_runs(actors)),
        inferred=inferred,
        inferred_us=inferred_us,
        sessions=hashes[order],
        firsts=firsts[order],
        lasts=lasts[order],
        streams=hash_texts(streams.distinct, "stream"),
        seconds=seconds,
        views=views,
    )


def _count_inferred(actors: Integers, times: Integers, rows: Integers) -> tuple[int, int]:
    """Count the sessions of events without a session id, and add their lengths up: rows are in order."""
    if not len(rows):
        return 0, 0
    actors, times = actors[rows], times[rows]
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = (actors[1:] != actors[:-1]) | (times[1:] - times[:-1] >= PAUSE_US)
    starts = np.flatnonzero(begins)
    lengths_us = times[np.append(starts[1:], len(rows)) - 1] - times[starts]
    return int(len(starts) + (lengths_us // LONGEST_US).sum()), int(lengths_us.sum())


def _figures(parts: Sequence[DistinctValues], newcomers: int) -> DistinctFigures:
    length_us = sum(part.inferred_us for part in parts)
    sessions = sum(part.inferred for part in parts)
    live_streams = 0
    median = None
    if parts:
        firsts, lasts = _join_sessions(parts)
        sessions += len(firsts)
        length_us += int((lasts - firsts).sum())
        live_streams = len(np.unique(np.concatenate([part.streams for part in parts])))
        median = _median(parts)
    return DistinctFigures(
        users=sum(part.users for part in parts),
        known_new_users=newcomers,
        sessions=sessions,
        length_us=length_us,
        median_view_duration=median,
        live_streams=live_streams,
    )


def _join_sessions(parts: Sequence[DistinctValues]) -> tuple[Integers, Integers]:
    """Find when each session with an id was active first and last."""
    hashes = np.concatenate([part.sessions for part in parts])
    order = np.argsort(hashes, kind="stable")  # of parts that are in order each
    firsts = np.concatenate([part.firsts for part in parts])[order]
    lasts = np.concatenate([part.lasts for part in parts])[order]
    starts = starts_of_runs(hashes[order])
    if not len(starts):
        return firsts, lasts
    return np.minimum.reduceat(firsts, starts), np.maximum.reduceat(lasts, starts)


def _median(parts: Sequence[DistinctValues]) -> float | None:
    """Find the median of all view durations: of an even number the mean of the middle two."""
    seconds = np.concatenate([part.seconds for part in parts])
    views = np.concatenate([part.views for part in parts])
    order = np.argsort(seconds, kind="stable")
    ends = np.cumsum(views[order])
    if not len(ends):
        return None
    total = int(ends[-1])
    middle = np.searchsorted(ends, [(total - 1) // 2, total // 2], "right")
    lower, upper = seconds[order][middle].tolist()
    return float((lower + upper) / 2)
