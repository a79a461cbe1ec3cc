"""Samples of sessions: how many a range has, and how long they are, from those with the smallest hashes.

Neither adds up: a session has events in several hours, and where clients send no session id, only all hours together
tell where one ends. But a sample by hash merges: each part knows all that happened to the keys below its threshold, so
the parts together know all about the keys below the lowest one (theta sketches: Dasgupta et al., "A framework for
estimating stream expression cardinalities", 2016). A key is a session id, or an actor for its events without one.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeAlias

MAX_KEYS = 1024
"""All that is told of fewer keys is exact; of more, counts have a standard error of 1 / sqrt(1024) = 3.1 %."""
NO_THRESHOLD = 2**63 - 1
"""Above all keys: nothing is left out."""
PAUSE_US = 30 * 60 * 1_000_000
"""A session without id ends when its actor does nothing for so long."""
LONGEST_US = 24 * 60 * 60 * 1_000_000
"""A session without id is cut when it has lasted so long."""
Row: TypeAlias = tuple[int, bool, int, int]
"""A key, whether it is inferred, and when it was active first and last."""
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
    threshold = _lower_threshold(NO_THRESHOLD, set(keys))
    times = ([start_us + moment for moment in moments] for moments in (firsts, lasts))
    rows = zip(keys, inferred, *times, strict=True)
    return _join(threshold, [row for row in rows if row[0] < threshold])


def merge_samples(samples: Iterable[SessionSample]) -> SessionSample:
    """Merge samples of any periods into that of all of them."""
    parts = list(samples)
    threshold = min((part.threshold for part in parts), default=NO_THRESHOLD)
    kept = [part for part in parts if part.keys and part.keys[0] < threshold]
    if len(kept) == 1 and kept[0].threshold == threshold:
        # Often: a few minutes add nothing to a week.
        return SessionSample._make((threshold, *map(tuple, kept[0][1:])))
    threshold = _lower_threshold(threshold, set[int]().union(*(part.keys for part in kept)))
    rows: list[Row] = []
    for part in kept:
        rows += islice(zip(*part[1:], strict=True), bisect_left(part.keys, threshold))
    return _join(threshold, rows)


def _lower_threshold(threshold: int, keys: AbstractSet[int]) -> int:
    """Find the highest threshold that leaves MAX_KEYS of these keys below it."""
    return min(threshold, sorted(keys)[MAX_KEYS]) if len(keys) > MAX_KEYS else threshold


def _join(threshold: int, rows: list[Row]) -> SessionSample:
    """Make a sample of all rows below its threshold, joining the stretches of one session."""
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
    counts: list[int] = []
    lengths_us: list[int] = []
    known_key = None
    for key, inferred, first, last in zip(*sample[1:], strict=True):
        count, length_us = 1 + (last - first) // LONGEST_US if inferred else 1, last - first
        if key == known_key:
            counts[-1] += count
            lengths_us[-1] += length_us
        else:
            known_key = key
            counts.append(count)
            lengths_us.append(length_us)
    sessions, all_us = sum(counts), sum(lengths_us)
    if not out or not sessions:
        return SessionErrors(0.0, 0.0)
    mean_us = all_us / sessions
    spread = math.fsum((length_us - mean_us * count) ** 2 for count, length_us in zip(counts, lengths_us, strict=True))
    return SessionErrors(
        math.sqrt(out * sum(count**2 for count in counts)) / sessions,
        math.sqrt(out * spread) / all_us if all_us else 0.0,
    )
