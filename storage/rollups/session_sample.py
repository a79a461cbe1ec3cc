"""Samples of sessions: how many a range has, and how long they are, from those with the smallest hashes.

Neither adds up: a session has events in several hours, and where clients send no session id, only all hours together
tell where one ends. But a sample by hash merges: each part knows all that happened to the keys below its threshold, so
the parts together know all about the keys below the lowest one (theta sketches: Dasgupta et al., "A framework for
estimating stream expression cardinalities", 2016). A key is a session id, or an actor for its events without one.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

MAX_KEYS = 1024
"""All that is told of fewer keys is exact; of more, counts have a standard error of 1 / sqrt(1024) = 3.1 %."""
NO_THRESHOLD = 2**63 - 1
"""Above all keys: nothing is left out."""
PAUSE_US = 30 * 60 * 1_000_000
"""A session without id ends when its actor does nothing for so long."""
LONGEST_US = 24 * 60 * 60 * 1_000_000
"""A session without id is cut when it has lasted so long."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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
    start: datetime, hashes: Iterable[int], inferred: Sequence[bool], firsts: Iterable[int], lasts: Iterable[int]
) -> SessionSample:
    """Make the sample of some sessions, as `rollup/distinct.sql` tells them.

    Args:
        start: what times count from.
        hashes: 64 signed bits.
        inferred: whether they are of an actor.
        firsts: when each was active first, in microseconds.
        lasts: when each was active last.
    """
    start_us = (start - _EPOCH) // _MICROSECOND
    keys = [value & NO_THRESHOLD for value in hashes]
    times = ([start_us + moment for moment in moments] for moments in (firsts, lasts))
    return merge_samples([SessionSample(NO_THRESHOLD, keys, inferred, *times)])


def merge_samples(samples: Iterable[SessionSample]) -> SessionSample:
    """Merge samples of any periods into that of all of them; of one, put it in order and keep the first ones."""
    parts = list(samples)
    threshold = min((part.threshold for part in parts), default=NO_THRESHOLD)
    keys = set[int]().union(*(part.keys for part in parts))
    if len(keys) > MAX_KEYS:
        threshold = min(threshold, sorted(keys)[MAX_KEYS])
    rows = sorted(
        row
        for part in parts
        for row in zip(part.keys, part.inferred, part.firsts, part.lasts, strict=True)
        if row[0] < threshold
    )
    joined: list[tuple[int, bool, int, int]] = []
    known_key, known_first, known_last = -1, 0, 0
    for key, inferred, first, last in rows:
        if key == known_key and (not inferred or first < known_last + PAUSE_US):
            known_last = max(known_last, last)
            joined[-1] = (key, inferred, known_first, known_last)
        else:
            known_key, known_first, known_last = key, first, last
            joined.append((key, inferred, first, last))
    return SessionSample(threshold, *zip(*joined, strict=True)) if joined else SessionSample(threshold)


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
    of_keys: dict[int, tuple[int, int]] = {}
    for key, inferred, first, last in zip(sample.keys, sample.inferred, sample.firsts, sample.lasts, strict=True):
        sessions, length_us = of_keys.get(key, (0, 0))
        of_keys[key] = (sessions + (1 + (last - first) // LONGEST_US if inferred else 1), length_us + last - first)
    sessions = sum(sessions for sessions, _ in of_keys.values())
    length_us = sum(length_us for _, length_us in of_keys.values())
    if not out or not sessions:
        return SessionErrors(0.0, 0.0)
    mean_us = length_us / sessions
    spread = math.fsum((length_us - mean_us * sessions) ** 2 for sessions, length_us in of_keys.values())
    return SessionErrors(
        math.sqrt(out * sum(sessions**2 for sessions, _ in of_keys.values())) / sessions,
        math.sqrt(out * spread) / length_us if length_us else 0.0,
    )
