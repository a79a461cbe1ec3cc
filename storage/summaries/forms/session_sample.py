"""Samples of sessions: how many a range has, and how long they are, from those with the smallest hashes.

Neither adds up: a session has events in several hours, and where clients send no session id, only all hours together
tell where one ends. But a sample by hash merges: each part knows all that happened to the keys below its threshold, so
the parts together know all about the keys below the lowest one (theta sketches: Dasgupta et al., "A framework for
estimating stream expression cardinalities", 2016). A key is a session id, or an actor for its events without one.
"""

import math
from collections.abc import Iterable, Sequence
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
_TIME_BITS = 53
"""Of differences of times: 285 years. With 10 bits of a key's number before them, they fit into 64."""
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
    columns = np.asarray(inferred, np.bool_), np.asarray(firsts, np.int64), np.asarray(lasts, np.int64)
    if len(keys) == 1 and keys[0] < NO_THRESHOLD:  # as in most hours of late events: there is nothing to put in order
        return SessionSample(NO_THRESHOLD, *(tuple(column.tolist()) for column in (keys, *columns)))
    return _sample_of(NO_THRESHOLD, keys, *columns)


def merge_samples(samples: Iterable[SessionSample]) -> SessionSample:
    """Merge samples of any periods into that of all of them."""
    parts = list(samples)
    threshold = min((part.threshold for part in parts), default=NO_THRESHOLD)
    kept = [part for part in parts if part.keys and part.keys[0] < threshold]
    if len(kept) == 1 and kept[0].threshold == threshold:
        return kept[0]
    columns = (
        np.concatenate([np.zeros(0, kind), *(np.array(part[place], kind) for part in kept)])
        for place, kind in enumerate((np.int64, np.bool_, np.int64, np.int64), start=1)
    )
    return _sample_of(threshold, *columns)


def _sample_of(threshold: int, keys: Integers, inferred: Flags, firsts: Integers, lasts: Integers) -> SessionSample:
    """Keep the smallest keys, at most MAX_KEYS; put their rows in order, and join those of one session."""
    distinct = np.unique(keys)
    if len(distinct) > MAX_KEYS:
        threshold = min(threshold, int(distinct[MAX_KEYS]))
    below = np.flatnonzero(keys < threshold)
    order = below[np.lexsort((lasts[below], firsts[below], inferred[below], keys[below]))]
    if not len(order):
        return SessionSample(threshold)
    keys, inferred, firsts, lasts = keys[order], inferred[order], firsts[order], lasts[order]
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = keys[1:] != keys[:-1]
    # Without an id, a session ends where nothing happens for a while after all that its key did before.
    is_new[1:] |= inferred[1:] & (firsts[1:] >= _latest_by_key(is_new, lasts)[:-1] + PAUSE_US)
    starts = np.flatnonzero(is_new)
    columns = keys[starts], inferred[starts], firsts[starts], np.maximum.reduceat(lasts, starts)
    return SessionSample(threshold, *(tuple(column.tolist()) for column in columns))


def _latest_by_key(is_new_key: Flags, lasts: Integers) -> Integers:
    """Find the largest of the times so far of each key, in one go: a key's number is put before its times."""
    least = lasts.min()
    base = (np.cumsum(is_new_key) - 1).astype(np.uint64) << np.uint64(_TIME_BITS)
    largest = np.maximum.accumulate(base + (lasts - least).astype(np.uint64)) - base
    found: Integers = largest.astype(np.int64) + least
    return found


def estimate_sessions(sample: SessionSample) -> SessionFigures:
    """Estimate how many sessions there are, and the sum of their lengths."""
    sessions, lengths_us = _sessions_of(sample)
    share = sample.threshold / NO_THRESHOLD
    return SessionFigures(int(sessions.sum()) / share, int(lengths_us.sum()) / share, sample.threshold == NO_THRESHOLD)


def estimate_errors(sample: SessionSample) -> SessionErrors:
    """Estimate how far off estimates from a sample are: zero where it holds all sessions.

    Keys are drawn, not sessions: an actor's sessions come together. So sums over keys vary as a Horvitz-Thompson
    estimator does, and the mean length as the ratio of two of them.
    """
    out = 1 - sample.threshold / NO_THRESHOLD
    if not out or not sample.keys:
        return SessionErrors(0.0, 0.0)
    sessions, lengths_us = (column.astype(np.float64) for column in _sessions_of(sample))
    starts = np.flatnonzero(np.diff(np.array(sample.keys), prepend=-1))
    by_key, us_by_key = np.add.reduceat(sessions, starts), np.add.reduceat(lengths_us, starts)
    count, total_us = float(by_key.sum()), float(us_by_key.sum())
    # What the microseconds of a key differ from its sessions' share of all.
    spread = float(np.square(us_by_key - by_key * (total_us / count)).sum())
    squares = float(np.square(by_key).sum())
    return SessionErrors(math.sqrt(out * squares) / count, math.sqrt(out * spread) / total_us if total_us else 0.0)


def _sessions_of(sample: SessionSample) -> tuple[Integers, Integers]:
    """Tell of each row how many sessions it is, and how long they are altogether, in microseconds."""
    lengths_us = np.array(sample.lasts, np.int64) - np.array(sample.firsts, np.int64)
    return 1 + np.where(np.array(sample.inferred, np.bool_), lengths_us // LONGEST_US, 0), lengths_us
