"""Samples of sessions: how many a range has, and how long they are, from those with the smallest hashes.

Neither adds up: a session has events in several hours, and where clients send no session id, only all hours together
tell where one ends. But a sample by hash merges: each part knows all that happened to the keys below its threshold, so
the parts together know all about the keys below the lowest one (theta sketches: Dasgupta et al., "A framework for
estimating stream expression cardinalities", 2016). A key is a session id, or an actor for its events without one.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import compress, groupby
from operator import itemgetter, mul, not_, sub
from typing import Any, NamedTuple, TypeAlias

import numpy as np

MAX_KEYS = 1024
"""All that is told of fewer keys is exact; of more, counts have a standard error of 1 / sqrt(1024) = 3.1 %."""
NO_THRESHOLD = 2**63 - 1
"""Above all keys: nothing is left out."""
PAUSE_US = 30 * 60 * 1_000_000
"""A session without id ends when its actor does nothing for so long."""
LONGEST_US = 24 * 60 * 60 * 1_000_000
"""A session without id is cut when it has lasted so long."""
INSERTED_SHARE = 8
"""A sample with more rows than so many times those of others is not put together anew."""
Row: TypeAlias = tuple[int, bool, int, int]
"""A key, whether it is inferred, and when it was active first and last."""
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


class SessionSample(NamedTuple):
    """When the sessions with the smallest keys were active; parallel lists, ascending by key and time.

    Attributes:
        threshold: all that happened to keys below it is here, and nothing of the others.
        keys: 63 bits of the hash of a session id, or of an actor id.
        inferred: whether it is an actor's; such a key may occur several times.
        firsts, lasts: of the first and the last event, in microseconds since 1970.
    """

    threshold: int = NO_THRESHOLD
    keys: Sequence[int] = ()
    inferred: Sequence[bool] = ()
    firsts: Sequence[int] = ()
    lasts: Sequence[int] = ()


class SessionFigures(NamedTuple):
    """Sessions, and how long they are altogether in microseconds; estimates unless all sessions are in the sample."""

    sessions: float
    length_us: float
    is_exact: bool


class SessionErrors(NamedTuple):
    """Standard errors of the number of sessions and of their mean length, as shares of them."""

    sessions: float
    mean_length: float


def make_sample(
    hashes: "Sequence[int] | Integers",
    inferred: "Sequence[bool] | Flags",
    firsts: "Sequence[int] | Integers",
    lasts: "Sequence[int] | Integers",
) -> SessionSample:
    """Make the sample of some sessions, given as parallel arrays in any order.

    Each entry is a session id, or an actor and half an hour (UTC) in which it was active without one: events of one
    half hour are never 30 minutes apart. An id or an actor may come several times.

    Args:
        hashes: 64 signed bits: of the id, as `hash_texts` makes them of the kind "session", or the `actor_hash`.
        inferred: whether they are of an actor.
        firsts: when each was active first, in microseconds since 1970.
        lasts: when each was active last.
    """
    keys = np.asarray(hashes, np.int64) & NO_THRESHOLD
    distinct = np.unique(keys)
    threshold = int(distinct[MAX_KEYS]) if len(distinct) > MAX_KEYS else NO_THRESHOLD
    chosen = np.flatnonzero(keys < threshold)
    flags = np.asarray(inferred, np.bool_)
    columns = (keys, flags, np.asarray(firsts, np.int64), np.asarray(lasts, np.int64))
    rows = zip(*(column[chosen].tolist() for column in columns), strict=True)
    return _sample_of(threshold, _join(list(rows)))


def merge_samples(samples: Iterable[SessionSample]) -> SessionSample:
    """Merge samples of any periods into that of all of them."""
    parts = list(samples)
    threshold = min((part.threshold for part in parts), default=NO_THRESHOLD)
    kept = [part for part in parts if part.keys and part.keys[0] < threshold]
    threshold = _lower_threshold(threshold, set[int]().union(*(part.keys for part in kept)))
    if not kept:
        return SessionSample(threshold)
    largest, *others = sorted(kept, key=lambda part: len(part.keys), reverse=True)
    rows = [row for part in others for row in _rows_below(threshold, part)]
    if len(rows) * INSERTED_SHARE < len(largest.keys):
        return _insert(rows, _cut(threshold, largest))
    return _sample_of(threshold, _join([*_rows_below(threshold, largest), *rows]))


def _lower_threshold(threshold: int, keys: AbstractSet[int]) -> int:
    """Find the highest threshold that leaves MAX_KEYS of these keys below it."""
    return min(threshold, sorted(keys)[MAX_KEYS]) if len(keys) > MAX_KEYS else threshold


def _cut(threshold: int, sample: SessionSample) -> SessionSample:
    end = bisect_left(sample.keys, threshold)
    return SessionSample._make((threshold, *(tuple(column[:end]) for column in sample[1:])))


def _rows_below(threshold: int, sample: SessionSample) -> Iterator[Row]:
    return zip(*_cut(threshold, sample)[1:], strict=True)


def _insert(rows: Iterable[Row], sample: SessionSample) -> SessionSample:
    """Insert rows where they belong: a few minutes add little to a week, most of which stays as it is."""
    columns = [list(column) for column in sample[1:]]
    for key, some in groupby(sorted(rows), itemgetter(0)):
        start, end = bisect_left(columns[0], key), bisect_right(columns[0], key)
        joined = _join([*zip(*(column[start:end] for column in columns), strict=True), *some])
        for column, values in zip(columns, zip(*joined, strict=True), strict=True):
            column[start:end] = values
    return SessionSample._make((sample.threshold, *map(tuple, columns)))


def _join(rows: list[Row]) -> list[Row]:
    """Put rows in order, and join those of one session; of events without id, only while it does not end."""
    rows.sort()
    joined: list[Row] = []
    known_key, known_first, known_last = -1, 0, 0
    for key, inferred, first, last in rows:
        if key == known_key and (not inferred or first < known_last + PAUSE_US):
            known_last = max(known_last, last)
            joined[-1] = (key, inferred, known_first, known_last)
        else:
            known_key, known_first, known_last = key, first, last
            joined.append((key, inferred, first, last))
    return joined


def _sample_of(threshold: int, rows: Sequence[Row]) -> SessionSample:
    return SessionSample(threshold, *zip(*rows, strict=True)) if rows else SessionSample(threshold)


def estimate_sessions(sample: SessionSample) -> SessionFigures:
    """Estimate how many sessions there are, and the sum of their lengths."""
    sessions = length_us = 0
    for inferred, first, last in zip(sample.inferred, sample.firsts, sample.lasts, strict=True):
        sessions += 1 + (last - first) // LONGEST_US if inferred else 1
        length_us += last - first
    share = sample.threshold / NO_THRESHOLD
    return SessionFigures(sessions / share, length_us / share, sample.threshold == NO_THRESHOLD)


def estimate_errors(sample: SessionSample) -> SessionErrors:
    """Estimate how far off estimates from a sample are: zero where it holds all sessions.

    Keys are drawn, not sessions: an actor's sessions come together. So sums over keys vary as a Horvitz-Thompson
    estimator does, and the mean length as the ratio of two of them.
    """
    out = 1 - sample.threshold / NO_THRESHOLD
    # Sums over keys of sessions and of microseconds, of their squares and of their product: integers, so exact.
    lengths_us = list(map(sub, sample.lasts, sample.firsts))
    of_ids = list(compress(lengths_us, map(not_, sample.inferred)))
    sessions = squares = len(of_ids)
    products = sum(of_ids)
    squares_us = sum(map(mul, of_ids, of_ids))
    inferred = compress(zip(sample.keys, lengths_us, strict=True), sample.inferred)
    for _, stretches in groupby(inferred, itemgetter(0)):
        count = key_us = 0
        for _, length_us in stretches:
            count += 1 + length_us // LONGEST_US
            key_us += length_us
        sessions += count
        squares += count * count
        squares_us += key_us * key_us
        products += count * key_us
    if not out or not sessions:
        return SessionErrors(0.0, 0.0)
    total_us = sum(lengths_us)
    # The sum of squares of what a key's microseconds differ from its sessions' share of all.
    spread = (squares_us * sessions**2 - 2 * total_us * sessions * products + total_us**2 * squares) / sessions**2
    return SessionErrors(math.sqrt(out * squares) / sessions, math.sqrt(out * spread) / total_us if total_us else 0.0)
