"""Making summaries of a table of events: arrays in, a summary for each hour out. No loop goes over events."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from storage.summaries.columns import (
    MISSING,
    Integers,
    Texts,
    integers_of,
    is_anonymous,
    spans_by,
    starts_of_runs,
    texts_of,
)
from storage.summaries.counting import count_groups
from storage.summaries.forms.hashes import hash_texts
from storage.summaries.forms.session_sample import PAUSE_US, SessionSample, make_samples
from storage.summaries.forms.sketch import make_sketches
from storage.summaries.summary import Summary

HOUR_US = 3_600_000_000
SUMMARY_COLUMNS = (
    "actor_hash",
    "timestamp",
    "received_at",
    "event_type",
    "user_id",
    "session_id",
    "platform",
    "session.action",
    "view.content_type",
    "view.content_id",
    "view.view_duration",
    "purchase.amount",
    "purchase.currency",
    "purchase.conversion_path",
    "stream.stream_id",
    "stream.viewer_count",
    "stream.watch_duration",
)
"""The columns that summaries are made of."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def summarise(table: pa.Table) -> dict[datetime, Summary]:
    """Summarise the events of each hour.

    Args:
        table: sorted, with the columns of SUMMARY_COLUMNS; those that it lacks hold nothing.

    Returns:
        A summary by the first moment of the hour (UTC), of each hour that has an event, ascending.

    Example:
        >>> summarise(table)[datetime(2026, 3, 10, 12, tzinfo=UTC)].counts
        {'purchase': 1, 'view': 3}
    """
    hours, groups = np.unique(integers_of(table, "timestamp") // HOUR_US, return_inverse=True)
    summaries = summarise_groups(table, groups.astype(np.int64), len(hours))
    return {_EPOCH + timedelta(hours=hour): one for hour, one in zip(hours.tolist(), summaries, strict=True)}


def first_sights(table: pa.Table) -> tuple[Integers, Integers]:
    """Find when each actor was seen first; events without user and session, which are their own actors, are left out.

    Args:
        table: sorted.

    Returns:
        Actor hashes, ascending, and the time of the first event of each, in microseconds since 1970.
    """
    rows = np.flatnonzero(~is_anonymous(table))
    actors = integers_of(table, "actor_hash")[rows]
    starts = starts_of_runs(actors)
    return actors[starts], integers_of(table, "timestamp")[rows[starts]]


def summarise_groups(table: pa.Table, groups: Integers, number: int) -> list[Summary]:
    """Summarise the events of each group.

    Args:
        table: as of `summarise`.
        groups: the group of each row, from 0.
        number: how many groups there are.
    """
    parts = zip(
        count_groups(table, groups, number),
        _sketch_actors(table, groups, number),
        _sketch_streams(table, groups, number),
        _sample_sessions(table, groups, number),
        strict=True,
    )
    return [
        Summary(counted.counts, counted.measures, actors, streams, sample, counted.content, counted.paths)
        for counted, actors, streams, sample in parts
    ]


def _sketch_actors(table: pa.Table, groups: Integers, number: int) -> list[bytes]:
    actors = integers_of(table, "actor_hash")
    starts = starts_of_runs(actors, groups)  # rows of an actor follow each other; one of them is enough
    return make_sketches(actors[starts], groups[starts], number)


def _sketch_streams(table: pa.Table, groups: Integers, number: int) -> list[bytes]:
    streams = texts_of(table, "stream.stream_id")
    rows = np.flatnonzero(streams.codes != MISSING)
    streams = Texts(streams.codes[rows], streams.distinct).compact()
    size = max(len(streams.distinct), 1)
    pairs = np.unique(groups[rows] * size + streams.codes)
    hashes = hash_texts(streams.distinct, "stream")[pairs % size]
    return make_sketches(hashes, pairs // size, number)


def _sample_sessions(table: pa.Table, groups: Integers, number: int) -> list[SessionSample]:
    sessions = texts_of(table, "session_id")
    times, actors = integers_of(table, "timestamp"), integers_of(table, "actor_hash")
    rows = np.flatnonzero(sessions.codes != MISSING)
    identified = Texts(sessions.codes[rows], sessions.distinct).compact()
    size = max(len(identified.distinct), 1)
    keys, firsts, lasts = spans_by(groups[rows] * size + identified.codes, times[rows])
    hashes = hash_texts(identified.distinct, "session")[keys % size]
    # Without an id it is the actor's half hours: events of one of them are never 30 minutes apart.
    rest = np.flatnonzero(sessions.codes == MISSING)
    starts = starts_of_runs(actors[rest], times[rest] // PAUSE_US, groups[rest])
    ends = np.append(starts[1:], len(rest)) - 1
    return make_samples(
        np.concatenate((hashes, actors[rest[starts]])),
        np.arange(len(keys) + len(starts)) >= len(keys),
        np.concatenate((firsts, times[rest[starts]])),
        np.concatenate((lasts, times[rest[ends[: len(starts)]]])),
        np.concatenate((keys // size, groups[rest[starts]])),
        number,
    )
